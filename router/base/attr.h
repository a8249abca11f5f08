/* attr.h - compiler attributes and the few macros that all code shares. */
#ifndef ROUTER_BASE_ATTR_H
#define ROUTER_BASE_ATTR_H

#include <stddef.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define UNUSED            __attribute__((unused))
#define ALWAYS_INLINE     __attribute__((always_inline))
#define NORETURN          __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* AUTO(x_free) struct x *p = …; calls x_free(&p) when p leaves its scope. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Hand a pointer out of an AUTO variable: its value, and NULL left behind. */
#define TAKE(p)                                                                \
    __extension__({                                                            \
        __typeof__(p) take_value_ = (p);                                       \
        (p) = NULL;                                                            \
        take_value_;                                                           \
    })

/* Clang's thread safety analysis; nothing for gcc. */
#ifdef __clang__
#define CAPABILITY(x)             __attribute__((capability(x)))
#define GUARDED_BY(x)             __attribute__((guarded_by(x)))
#define REQUIRES(...)             __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRES(...)             __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...)             __attribute__((release_capability(__VA_ARGS__)))
#define NO_THREAD_SAFETY_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(x)
#define GUARDED_BY(x)
#define REQUIRES(...)
#define ACQUIRES(...)
#define RELEASES(...)
#define NO_THREAD_SAFETY_ANALYSIS
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
