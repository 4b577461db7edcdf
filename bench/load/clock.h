/* Time and durations, in nanoseconds. */
#pragma once
#include <stdint.h>
#include <time.h>

#define SECOND 1000000000ull

static inline uint64_t clock_of(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_of(CLOCK_MONOTONIC); }

/* What this process has cost so far. */
static inline uint64_t cpu_ns(void) { return clock_of(CLOCK_PROCESS_CPUTIME_ID); }
