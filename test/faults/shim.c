/*
 * Preloaded into cas-mount: counts the calls that concern files below a directory and, at one of them, fails, takes
 * less than it was given, ends the process as kill -9 does, or cuts the power of the disk.
 *
 *   CAS_SHIM_ROOT     the directory, canonical
 *   CAS_SHIM_CONTROL  a file that holds struct control, which may be changed while the process runs
 *   CAS_SHIM_TRACE    a file to which each counted call is appended: "<number> <kind> <call> <path>"
 *   CAS_SHIM_BOOT     a file that is read in place of the kernel's boot_id, so that a restart can pass for a reboot
 *
 * Node calls libc through its import table and koffi by dlsym(dlopen(NULL)): both find these first. What libuv calls
 * by syscall(2) (statx, copy_file_range) and what libc calls within itself (opendir, fwrite of LevelDB) is not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bits of control.calls, in the order of CALLS in shim.ts. */
enum call { CREATE, OPEN, READ, WRITE, SYNC, RENAME, LINK, UNLINK, RMDIR, MKDIR, TRUNCATE, CHMOD, CHOWN, TIMES, XATTR, SYNC_NAMES };

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL, SHORT, CUT };

struct control {
  _Atomic int64_t calls;  /* which are counted, a set of bits */
  _Atomic int64_t at;     /* the number of the one that is acted on, from 1; 0: none */
  _Atomic int64_t action;
  _Atomic int64_t error;  /* errno of FAIL */
  _Atomic int64_t count;  /* of the calls so far */
  _Atomic int64_t done;   /* how often it was acted */
  _Atomic int64_t index;  /* 1: calls below meta/ count too */
};

static struct control *control;
static const char *root;
static size_t root_length;
static int trace = -1;
static const char *boot;

__attribute__((constructor)) static void begin(void) {
  const char *directory = getenv("CAS_SHIM_ROOT"), *file = getenv("CAS_SHIM_CONTROL"), *log = getenv("CAS_SHIM_TRACE");
  if (directory == NULL || file == NULL || log == NULL) return;
  int fd = open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) return;
  trace = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  boot = getenv("CAS_SHIM_BOOT");
  root = directory;
  root_length = strlen(directory);
  control = mapped;
}

/* The path below the root, or NULL. The log and the control socket are no part of the store; meta/ is if asked for. */
static const char *below(const char *path) {
  if (strncmp(path, root, root_length) != 0) return NULL;
  path += root_length;
  if (*path == '\0') return ".";
  if (*path++ != '/') return NULL;
  if (control->index == 0 && strncmp(path, "meta", 4) == 0) return NULL;
  return strncmp(path, "cas", 3) == 0 ? NULL : path;
}

/* Cuts the power of the disk that the root is on, as power.c does. */
static void cut_power(void) {
  uint32_t flags = 2;
  int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, 0x8004587d, &flags) != 0) abort();
  close(fd);
}

static void end_process(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int is_directory(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum action enter(enum call call, const char *name, int fd, const char *path) {
  char link[32], target[PATH_MAX];
  if (control == NULL || (control->calls & (1LL << call)) == 0) return NOTHING;
  if (path == NULL) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return NOTHING;
    target[length] = '\0';
    path = target;
  }
  if ((path = below(path)) == NULL) return NOTHING;
  int64_t number = ++control->count;
  dprintf(trace, "%lld %d %s %s\n", (long long)number, call, name, path);
  if (number != control->at) return NOTHING;
  control->done++;
  if (control->action == KILL_BEFORE) end_process();
  if (control->action == CUT) cut_power();
  return control->action;
}

static long leave(enum action action, long result) {
  if (action == KILL_AFTER) end_process();
  return result;
}

/* A call of libc under the name that is interposed. ARGUMENTS are those of its parameters. */
#define WRAP(TYPE, NAME, CALL, FD, PATH, PARAMETERS, ARGUMENTS)                \
  TYPE NAME PARAMETERS {                                                       \
    static TYPE(*next) PARAMETERS;                                             \
    if (next == NULL) next = dlsym(RTLD_NEXT, #NAME);                          \
    int before = errno;                                                        \
    enum action action = enter(CALL, #NAME, FD, PATH);                         \
    errno = before;                                                            \
    if (action == FAIL) {                                                      \
      errno = control->error;                                                  \
      return -1;                                                               \
    }                                                                          \
    return leave(action, next ARGUMENTS);                                      \
  }

/* The same for a call whose SIZE may be cut. */
#define WRAP_WRITE(NAME, SIZE, PARAMETERS, ARGUMENTS)                          \
  ssize_t NAME PARAMETERS {                                                    \
    static ssize_t(*next) PARAMETERS;                                          \
    if (next == NULL) next = dlsym(RTLD_NEXT, #NAME);                          \
    int before = errno;                                                        \
    enum action action = enter(WRITE, #NAME, fd, NULL);                        \
    errno = before;                                                            \
    if (action == FAIL) {                                                      \
      errno = control->error;                                                  \
      return -1;                                                               \
    }                                                                          \
    if (action == SHORT) SIZE = (SIZE + 1) / 2;                                \
    return leave(action, next ARGUMENTS);                                      \
  }

WRAP_WRITE(write, size, (int fd, const void *data, size_t size), (fd, data, size))
WRAP_WRITE(pwrite64, size, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
WRAP_WRITE(writev, count, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP_WRITE(pwritev64, count, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))

WRAP(ssize_t, read, READ, fd, NULL, (int fd, void *into, size_t size), (fd, into, size))
WRAP(ssize_t, pread64, READ, fd, NULL, (int fd, void *into, size_t size, off64_t at), (fd, into, size, at))
WRAP(ssize_t, preadv64, READ, fd, NULL, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))

WRAP(int, fsync, is_directory(fd) ? SYNC_NAMES : SYNC, fd, NULL, (int fd), (fd))
WRAP(int, fdatasync, SYNC, fd, NULL, (int fd), (fd))
WRAP(int, sync_file_range, SYNC, fd, NULL, (int fd, off64_t at, off64_t size, unsigned flags), (fd, at, size, flags))

WRAP(int, rename, RENAME, -1, to, (const char *from, const char *to), (from, to))
WRAP(int, renameat2, RENAME, -1, to, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
WRAP(int, link, LINK, -1, to, (const char *from, const char *to), (from, to))
WRAP(int, unlink, UNLINK, -1, path, (const char *path), (path))
WRAP(int, rmdir, RMDIR, -1, path, (const char *path), (path))
WRAP(int, mkdir, MKDIR, -1, path, (const char *path, mode_t mode), (path, mode))

WRAP(int, ftruncate64, TRUNCATE, fd, NULL, (int fd, off64_t size), (fd, size))
WRAP(int, chmod, CHMOD, -1, path, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, CHMOD, fd, NULL, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, CHOWN, fd, NULL, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, futimens, TIMES, fd, NULL, (int fd, const struct timespec times[2]), (fd, times))
WRAP(int, utimensat, TIMES, -1, path, (int at, const char *path, const struct timespec times[2], int flags), (at, path, times, flags))
WRAP(int, lsetxattr, XATTR, -1, path, (const char *path, const char *name, const void *value, size_t size, int flags), (path, name, value, size, flags))
WRAP(int, lremovexattr, XATTR, -1, path, (const char *path, const char *name), (path, name))

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* open(2) has its mode only where it may make a file. */
#define WRAP_OPEN(NAME)                                                        \
  int NAME(const char *path, int flags, ...) {                                 \
    static int (*next)(const char *, int, ...);                                \
    if (next == NULL) next = dlsym(RTLD_NEXT, #NAME);                          \
    mode_t mode = 0;                                                           \
    if ((flags & (O_CREAT | __O_TMPFILE)) != 0) {                              \
      va_list rest;                                                            \
      va_start(rest, flags);                                                   \
      mode = va_arg(rest, mode_t);                                             \
      va_end(rest);                                                            \
    }                                                                          \
    if (boot != NULL && strcmp(path, BOOT_ID) == 0) path = boot;               \
    int before = errno;                                                        \
    enum action action = enter((flags & O_CREAT) != 0 ? CREATE : OPEN, #NAME, -1, path); \
    errno = before;                                                            \
    if (action == FAIL) {                                                      \
      errno = control->error;                                                  \
      return -1;                                                               \
    }                                                                          \
    return leave(action, next(path, flags, mode));                             \
  }

WRAP_OPEN(open)
WRAP_OPEN(open64)
