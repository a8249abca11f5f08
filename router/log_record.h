/* log_record.h - a line of a container's output, as keeper and front pass it
 * on: parts of the answer to QUERY "logs" hold records of source (u32, enum
 * log_record), replica, sidecar ("": the app's own container) and line, its end
 * left out (wire.h's byte strings).
 */
#ifndef ROUTER_LOG_RECORD_H
#define ROUTER_LOG_RECORD_H

enum log_record {
    LOG_RECORD_NOTE, /* berth's own words: lines may be missing, and why */
    LOG_RECORD_STDOUT,
    LOG_RECORD_STDERR,
};

#endif
