/* load: what a crowd does to a chat server.
 *
 * One thread, one epoll. It opens ROOMS x CLIENTS connections, lets the first TALKERS of each room write, either
 * each with a WINDOW of messages on the way or all together at a RATE, and accounts for every message at
 * every client: how long it took, and whether it was lost, repeated or overtaken.
 *
 * Phases, each announced by a JSON line on the standard output, so that whoever started this can measure the
 * server at the same moments:
 *
 *   part     some are connected (--part)
 *   open     all are connected
 *   load     from here on the figures count
 *   loaded   up to here
 *   result   the figures
 *
 * With a rate, a message's clock is the moment when it was due, not when it was sent: a server that makes
 * us late does not get that time for free.
 */
#include <stdio.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "options.h"

static uint64_t seconds(double count) { return (uint64_t)(count * (double)SECOND); }

static void wait_for_word(void) {
  char letter;
  while (given.ask && read(0, &letter, 1) == 1 && letter != '\n') continue;
}

static void announce(const char *phase, double connect_s) {
  printf("{\"phase\": \"%s\", \"open\": %d, \"connect_s\": %.4f}\n", phase, counted.ready, connect_s);
  fflush(stdout);
}

static void turn_for(double how_long) {
  for (uint64_t end = now_ns() + seconds(how_long); now_ns() < end;) links_turn(end);
}

/* Handle what comes until not more than `at_most` are still connecting, or a minute is over. */
static void wait_for_clients(int at_most) {
  for (uint64_t end = now_ns() + 60 * SECOND; counted.waiting > at_most && now_ns() < end;) links_turn(end);
}

static double connect_all(void) {
  uint64_t began = now_ns(), paused = 0;
  int count = 0;
  for (int room = 0; room < given.rooms; room++)
    for (int place = 0; place < given.clients; place++) {
      wait_for_clients(given.pending - 1);
      client_connect(client_in(room, place), place >= given.clients - given.stalled);
      if (++count != given.part) continue;
      wait_for_clients(0);
      uint64_t stop = now_ns();
      turn_for(given.settle);
      announce("part", (double)(stop - began) / SECOND);
      wait_for_word();
      paused = now_ns() - stop;
    }
  wait_for_clients(0);
  return (double)(now_ns() - began - paused) / SECOND;
}

/* The messages that are in the rooms before the load begins. */
static void write_history(void) {
  for (int i = 0; i < given.seed; i++)
    for (int room = 0; room < given.rooms; room++) {
      client *talker = client_in(room, i % given.talkers);
      if (!talker->ready) continue;
      client_say(talker, now_ns());
      link_flush(&talker->link);
      for (uint64_t end = now_ns() + SECOND; talker->returned != talker->sent && now_ns() < end;) links_turn(end);
    }
}

static void everybody_leaves(void) {
  closing = true;
  for (int room = 0; room < given.rooms; room++)
    for (int place = 0; place < given.clients; place++) link_close(&client_in(room, place)->link);
  turn_for(given.settle);
  closing = false;
}

static uint64_t rate_began, rate_sent;

/* Send what is due by now; when the next one is. */
static uint64_t keep_rate(void) {
  for (;;) {
    uint64_t due = rate_began + (uint64_t)((double)rate_sent * SECOND / given.rate);
    if (due > now_ns()) return due;
    uint64_t turn = rate_sent++ % (uint64_t)(given.rooms * given.talkers);
    client *talker = client_in((int)(turn % (uint64_t)given.rooms), (int)(turn / (uint64_t)given.rooms));
    if (!talker->ready) continue;
    client_say(talker, due);
    link_flush(&talker->link);
  }
}

/* Load for so long, or (with `joining`) until all joiners have their page. */
static void talk_for(double how_long, bool joining) {
  uint64_t now = now_ns(), end = now + seconds(how_long), look = now + SECOND / 5;
  talking = given.talkers > 0 && !given.leave;
  talkers_wake();
  while ((now = now_ns()) < end && !(joining && counted.paged >= given.joiners)) {
    uint64_t until = end < look ? end : look;
    if (talking && given.rate > 0) {
      uint64_t due = keep_rate();
      if (due < until) until = due;
    }
    talkers_talk();
    links_turn(until);
    if (now < look) continue;
    talkers_give_up(now);
    look = now + SECOND / 5;
  }
  talking = false;
}

static void drain(void) {
  uint64_t paid = counted.paid, patience = now_ns() + seconds(given.drain);
  while (counted.paid + missing_deliveries() > counted.paid && now_ns() < patience) {
    links_turn(now_ns() + SECOND / 20);
    if (counted.paid != paid) patience = now_ns() + seconds(given.drain);
    paid = counted.paid;
  }
  turn_for(0.1); /* what comes twice comes last */
}

static void begin_joining(void) {
  for (int i = 0; i < given.joiners; i++) client_connect(joiner(i), false);
}

static histogram page_times;

static void time_pages(void) {
  for (int i = 0; i < given.joiners; i++)
    if (joiner(i)->paged) histogram_add(&page_times, (joiner(i)->paged - joiner(i)->began) / 1000);
}

static void print_times(const char *name, const histogram *times) {
  printf(", \"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f, \"%s_max_ms\": %.3f", name, histogram_ms(times, 0.5), name,
         histogram_ms(times, 0.99), name, histogram_ms(times, 1));
}

static void print_count(const char *name, uint64_t count) {
  printf(", \"%s\": %llu", name, (unsigned long long)count);
}

int main(int count, char **words) {
  options_read(count, words);
  links_begin();
  clients_make();

  double connect_s = connect_all();
  turn_for(given.settle);
  write_history();
  if (given.leave) everybody_leaves();
  int opened = counted.ready;
  announce("open", connect_s);
  wait_for_word();

  rate_began = now_ns();
  if (given.warm > 0) talk_for(given.warm, false);
  for (int room = 0; room < given.rooms; room++)
    for (int place = given.clients - given.stalled; place < given.clients; place++)
      link_stop_reading(&client_in(room, place)->link);
  histogram_clear(&delivery_times);
  histogram_clear(&ack_times);
  tally before = counted;
  uint64_t frames_before = frames_in, bytes_before = bytes_in, cpu_before = cpu_ns();
  announce("load", connect_s);
  uint64_t began = now_ns();
  begin_joining();
  talk_for(given.seconds, given.joiners > 0);
  uint64_t ended = now_ns();
  tally after = counted;
  double own_cpu = (double)(cpu_ns() - cpu_before) / SECOND, took = (double)(ended - began) / SECOND;
  uint64_t frames = frames_in - frames_before, bytes = bytes_in - bytes_before;
  announce("loaded", connect_s);
  drain();
  time_pages();

  printf("{\"phase\": \"result\", \"open\": %d, \"connect_s\": %.4f, \"seconds\": %.4f, \"own_cpu_s\": %.4f", opened,
         connect_s, took, own_cpu);
  print_count("published", after.published - before.published);
  print_count("deliveries", after.paid - before.paid);
  print_count("frames", frames);
  print_count("bytes", bytes);
  print_times("delivery", &delivery_times);
  print_times("ack", &ack_times);
  print_times("page", &page_times);
  /* From the first message to the last: a fault before the load is a fault. */
  print_count("all_published", counted.published);
  print_count("missing", missing_deliveries());
  print_count("late", counted.late);
  print_count("repeated", counted.repeated);
  print_count("stray", counted.stray);
  print_count("acks", counted.acks);
  print_count("nacks", counted.nacks);
  print_count("unknowns", counted.unknowns);
  print_count("resets", counted.resets);
  print_count("refused", counted.refused);
  print_count("dropped", counted.dropped);
  print_count("given_up", counted.given_up);
  print_count("paged", (uint64_t)counted.paged);
  printf("}\n");
  return 0;
}
