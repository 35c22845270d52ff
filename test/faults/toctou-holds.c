/* Who attacks a file: threads and processes, each with what it goes by; see toctou.c. */
#include "toctou.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST = 64 };

static struct hold holds[MOST];
static pthread_t threads[MOST];

long now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void took(long since)
{
  long time = now() - since, slowest = shared->slowest;
  while (time > slowest && !atomic_compare_exchange_weak(&shared->slowest, &slowest, time)) continue;
}

void die(const char *what)
{
  printf("WRONG %s: %s\n", what, strerrorname_np(errno));
  exit(1);
}

pid_t child(void)
{
  fflush(stdout);
  pid_t made = fork();
  if (made < 0) die("fork");
  if (made > 0) return made;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(PATIENCE);
  return 0;
}

int put_all(int fd, const char *bytes, size_t at, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t written = pwrite(fd, bytes + done, size - done, (off_t)(at + done));
    if (written <= 0) return -1;
    done += (size_t)written;
  }
  return 0;
}

int take_descriptor(struct hold *hold) { return hold->fd = dup(target.fd); }

static void strike(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  int phase = shared->phase;
  long began = now();
  if (hold->attack->put(hold, bytes + at, at, size) >= 0 && bytes == target.bad)
    atomic_fetch_add(phase == STRIKE ? &shared->after : &shared->before, 1);
  if (!hold->attack->stops) took(began);
}

static void *run(void *argument)
{
  struct hold *hold = argument;
  int phase;
  while ((phase = shared->phase) != END) {
    unsigned range = (unsigned)target.size;
    size_t at = (unsigned)rand_r(&hold->seed) % range, size = 1 + (unsigned)rand_r(&hold->seed) % (range - at);
    if (rand_r(&hold->seed) % 4 == 0) at = 0, size = target.size;
    if (phase == RACE || phase == STRIKE) strike(hold, target.bad, at, size);
    if (phase == RACE || phase == CALM) strike(hold, target.good, at, size);
    usleep((unsigned)rand_r(&hold->seed) % (phase == STRIKE ? 500 : 4000));
  }
  return NULL;
}

static const struct attack *find(const char *name)
{
  const struct attack *tables[] = { by_descriptor, by_memory, by_name };
  for (int table = 0; table < 3; table++)
    for (const struct attack *attack = tables[table]; attack->name; attack++)
      if (strcmp(attack->name, name) == 0) return attack;
  printf("WRONG no attack %s\n", name);
  exit(2);
}

/** Those that are refused are left out. */
static void take(const char *name)
{
  if (target.attacks == MOST) exit(2);
  struct hold *hold = &holds[target.attacks];
  *hold = (struct hold){ .attack = find(name), .fd = -1, .other = -1, .seed = (unsigned)target.attacks + 1 };
  if (hold->attack->take(hold) < 0) printf("refused %s %s\n", name, strerrorname_np(errno));
  else target.attacks++;
}

static void let_go(struct hold *hold)
{
  if (hold->attack->leave) hold->attack->leave(hold);
  if (hold->fd >= 0) close(hold->fd);
  if (hold->other >= 0) close(hold->other);
  if (hold->mapped) munmap(hold->memory, target.size);
  hold->fd = hold->other = -1;
  hold->mapped = 0;
}

void begin(void)
{
  for (int index = 0; index < target.attacks; index++) {
    struct hold *hold = &holds[index];
    if (!hold->attack->apart) continue;
    hold->process = child();
    if (hold->process == 0) {
      if (target.fd >= 0) close(target.fd);
      run(hold);
      _exit(0);
    }
    let_go(hold);
  }
  for (int index = 0; index < target.attacks; index++)
    if (!holds[index].attack->apart && pthread_create(&threads[index], NULL, run, &holds[index]) != 0) exit(2);
}

void signal_stopping(int signal)
{
  for (int index = 0; index < target.attacks; index++)
    if (holds[index].attack->stops) kill(holds[index].process, signal);
}

void end(void)
{
  signal_stopping(SIGCONT);
  shared->phase = END;
  for (int index = 0; index < target.attacks; index++)
    if (!holds[index].attack->apart) pthread_join(threads[index], NULL);
  for (int index = 0, status; index < target.attacks; index++)
    if (holds[index].process > 0 && waitpid(holds[index].process, &status, 0) > 0 && status != 0)
      printf("WRONG %s: status %d\n", holds[index].attack->name, status), wrong = 1;
  for (int index = 0; index < target.attacks; index++) let_go(&holds[index]);
}

void take_all(const char *name)
{
  if (strcmp(name, "all") != 0) return take(name);
  const struct attack *tables[] = { by_descriptor, by_memory, by_name };
  for (int table = 0; table < 3; table++)
    for (const struct attack *attack = tables[table]; attack->name; attack++) take(attack->name);
}
