/* listen_family.h - by which family of loopback a process is reached: for one
 * that is found frozen, which must not be tried. Thread: any.
 */
#ifndef LIFECYCLE_LISTEN_FAMILY_H
#define LIFECYCLE_LISTEN_FAMILY_H

/* AF_INET or AF_INET6, where something listens on `port` in the network
 * namespace of process `pid`; 0: nothing does, or it cannot be known. Reads two
 * files of /proc. */
int listen_family(int pid, unsigned port);

#endif
