/* admin_openapi.c - openapi.json, put into the binary by the assembler. */
#include "proxy/admin/admin_openapi.h"

/* BERTH_OPENAPI_FILE: its path, from CMakeLists.txt. */
__asm__(".section .rodata\n"
        ".local openapi_begin\n"
        ".local openapi_end\n"
        "openapi_begin:\n"
        ".incbin \"" BERTH_OPENAPI_FILE "\"\n"
        "openapi_end:\n"
        ".previous\n");

extern const char openapi_begin[] __attribute__((visibility("hidden")));
extern const char openapi_end[] __attribute__((visibility("hidden")));

struct strview admin_openapi(void)
{
    return sv_make(openapi_begin, (size_t)(openapi_end - openapi_begin));
}
