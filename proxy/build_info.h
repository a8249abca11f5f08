/* build_info.h - which berth this is. Thread: any. */
#ifndef PROXY_BUILD_INFO_H
#define PROXY_BUILD_INFO_H

const char *build_version(void); /* "0.1.0" */
/* Short hash of the commit it was built from; "unknown" outside of git. */
const char *build_commit(void);

#endif
