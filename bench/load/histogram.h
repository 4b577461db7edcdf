/* A histogram of durations with 64 steps an octave: no figure is off by more than 1.6 %. */
#pragma once
#include <stdint.h>

#define HISTOGRAM_STEPS (64 * 40)

typedef struct {
  uint64_t count[HISTOGRAM_STEPS];
  uint64_t total, largest_us;
} histogram;

void histogram_clear(histogram *h);
void histogram_add(histogram *h, uint64_t us);
/* The duration that the given part of all (0 to 1) does not exceed, in milliseconds. */
double histogram_ms(const histogram *h, double part);
