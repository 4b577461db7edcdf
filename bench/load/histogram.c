#include "histogram.h"

#include <string.h>

static unsigned step_of(uint64_t us) {
  if (us < 64) return (unsigned)us;
  unsigned octave = 63 - (unsigned)__builtin_clzll(us);
  unsigned step = (octave - 5) * 64 + (unsigned)((us >> (octave - 6)) & 63);
  return step < HISTOGRAM_STEPS ? step : HISTOGRAM_STEPS - 1;
}

static uint64_t us_of(unsigned step) {
  if (step < 64) return step;
  unsigned octave = step / 64 + 5;
  return (1ull << octave) | ((uint64_t)(step % 64) << (octave - 6));
}

void histogram_clear(histogram *h) { memset(h, 0, sizeof *h); }

void histogram_add(histogram *h, uint64_t us) {
  h->count[step_of(us)]++;
  h->total++;
  if (us > h->largest_us) h->largest_us = us;
}

double histogram_ms(const histogram *h, double part) {
  if (!h->total) return 0;
  if (part >= 1) return (double)h->largest_us / 1e3;
  uint64_t seen = 0;
  for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
    seen += h->count[step];
    if ((double)seen >= part * (double)h->total) return (double)us_of(step) / 1e3;
  }
  return (double)h->largest_us / 1e3;
}
