/* What the parts of toctou.c share. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/** How long all of it may take, in seconds. */
enum { PATIENCE = 120 };

/**
 * RACE: bad bytes are put into the file, and right ones after them. CALM: only right ones. STRIKE: it is a blob now, and
 * only bad ones are put.
 */
enum phase { TAKEN, RACE, CALM, STRIKE, END };

/** What all processes of a run share. */
struct shared {
  atomic_int phase;
  /** The longest that a call has taken, in milliseconds. */
  atomic_long slowest;
  /** Attacks that were told to have succeeded, before the commit and after it. */
  atomic_long before, after;
};
extern struct shared *shared;

/** The file that is attacked. All bytes of `bad` differ from those of `good`. */
struct target {
  const char *path;
  char blob[4096];
  size_t size;
  char *good, *bad;
  /** Files outside the mount with these bytes. */
  int good_file, bad_file;
  /** The descriptor of who has made the file, -1 once that is closed. */
  int fd;
  /** How many attacks there are: some change what all descriptors of one open file share. */
  int attacks;
};
extern struct target target;

/** What one attack goes by. */
struct hold {
  const struct attack *attack;
  int fd, other;
  char *memory;
  /** Whether that is a mapping of the file. */
  int mapped;
  void *state;
  pid_t process;
  unsigned seed;
};

struct attack {
  const char *name;
  /** Done in a process of its own. */
  int apart;
  /** That process is stopped before the commit, and goes on after it. */
  int stops;
  /** Gets hold of the file before anybody else acts. Below 0 where it is refused. */
  int (*take)(struct hold *);
  /** Puts `size` bytes of the target at `at`. Below 0 where it is refused. */
  int (*put)(struct hold *, const char *bytes, size_t at, size_t size);
  /** Gives back what is neither a descriptor nor a mapping. May be NULL. */
  void (*leave)(struct hold *);
};
extern const struct attack by_descriptor[], by_memory[], by_name[];

/** A descriptor of its own for the open file of the target. */
int take_descriptor(struct hold *hold);
/** pwrite(2) of all. */
int put_all(int fd, const char *bytes, size_t at, size_t size);
/** Milliseconds of a clock that only goes on. */
long now(void);
/** Counts a call that began then. */
void took(long since);
void die(const char *what);
/** What the exit code will be. */
extern int wrong;
/** Takes hold by an attack, or by `all`; those that are refused are said and left out. */
void take_all(const char *name);
/** Makes the processes, and then the threads. */
void begin(void);
/** Ends them, and lets go of all. */
void end(void);
/** Sends a signal to the processes of attacks that stop. */
void signal_stopping(int signal);
/** A child that ends with us, whatever it does. 0 in the child. */
pid_t child(void);

int take_ring(struct hold *hold);
int put_ring(struct hold *hold, const char *bytes, size_t at, size_t size);
void leave_ring(struct hold *hold);
int put_ring_late(struct hold *hold, const char *bytes, size_t at, size_t size);
