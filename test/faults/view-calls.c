/*
 * Tries each call that would change something:
 *
 *   view-calls FILE DIRECTORY OUTSIDE
 *
 * on FILE in DIRECTORY, both of a tree that nobody may change, and OUTSIDE, a file of the same mount. Says `CALL ERRNO`
 * for each, OK where it succeeds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *call, long result) { printf("%s %s\n", call, result < 0 ? strerrorname_np(errno) : "OK"); }

static long map(const char *path)
{
  int fd = open(path, O_RDONLY);
  void *memory = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? -1 : mprotect(memory, 1, PROT_READ | PROT_WRITE);
}

int main(int argc, char *argv[])
{
  char new[4096], open_file[64];
  struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
  if (argc != 4) return 2;
  const char *file = argv[1], *directory = argv[2], *outside = argv[3];
  int fd = open(file, O_RDONLY);
  snprintf(new, sizeof new, "%s/new", directory);
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
  say("open-write", open(file, O_WRONLY));
  say("open-both", open(file, O_RDWR));
  say("open-append", open(file, O_WRONLY | O_APPEND));
  say("open-truncate", open(file, O_WRONLY | O_TRUNC));
  say("open-truncate-reading", open(file, O_RDONLY | O_TRUNC));
  say("open-exclusive", open(file, O_RDONLY | O_CREAT | O_EXCL, 0644));
  say("reopen", open(open_file, O_RDWR));
  say("create", open(new, O_WRONLY | O_CREAT, 0644));
  say("write", write(fd, "x", 1));
  say("ftruncate", ftruncate(fd, 0));
  say("fallocate", fallocate(fd, 0, 0, 10));
  say("map", map(file));
  say("truncate", truncate(file, 0));
  say("chmod", chmod(file, 0666));
  say("fchmod", fchmod(fd, 0666));
  say("chown", chown(file, 1, 1));
  say("utimens", utimensat(AT_FDCWD, file, times, 0));
  say("setxattr", setxattr(file, "user.x", "x", 1, 0));
  say("removexattr", removexattr(file, "user.x"));
  say("unlink", unlink(file));
  say("mkdir", mkdir(new, 0755));
  say("mkdir-there", mkdir(directory, 0755));
  say("rmdir", rmdir(directory));
  say("mknod", mknod(new, S_IFREG | 0644, 0));
  say("mkfifo", mkfifo(new, 0644));
  say("symlink", symlink("x", new));
  say("link", link(file, new));
  say("link-out", link(file, outside));
  say("link-in", link(outside, new));
  say("rename", rename(file, new));
  say("rename-in", rename(outside, new));
  say("chmod-directory", chmod(directory, 0777));
  return 0;
}
