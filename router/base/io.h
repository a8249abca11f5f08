/* io.h - what came of moving bytes (style.md, "Errors", 4). */
#ifndef ROUTER_BASE_IO_H
#define ROUTER_BASE_IO_H

enum io_result {
    IO_DONE,   /* some bytes moved: the count says how many */
    IO_AGAIN,  /* none now; wait until the descriptor is readable/writable */
    IO_EOF,    /* the peer sent all it will send */
    IO_FAILED, /* broken: reset, time-out, TLS error */
};

#endif
