/* Lets a test say what time it is: preloaded, it shows the seconds that stand in the file MOMENT_FILE as the time of
   day, and leaves every other clock alone. Debian's libfaketime does more than that, and Envoy hangs under it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *moment;

__attribute__((constructor)) static void open_moment(void) {
  const char *path = getenv("MOMENT_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *moment, PROT_READ, MAP_SHARED, file, 0);
  if (map == MAP_FAILED) _exit(97);
  moment = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (moment == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
    return (int)syscall(SYS_clock_gettime, clock, time);
  time->tv_sec = *moment;
  time->tv_nsec = 0;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  int status = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = 0;
  return status;
}

time_t time(time_t *seconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds) *seconds = now.tv_sec;
  return now.tv_sec;
}
