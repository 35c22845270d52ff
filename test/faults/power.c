/*
 * Cuts the power of a file system: what is not in its journal by now is lost.
 *
 *   power DIRECTORY                    cuts it
 *   power DIRECTORY rename FROM TO     makes the call, and cuts the power as soon as it has an answer
 *   power DIRECTORY link FROM TO
 *   power DIRECTORY fsync FILE
 *   power DIRECTORY create FILE        writes standard input to it, and closes it
 *
 * Prints OK or the errno of the call. DIRECTORY is the file system's, a path of the calls may be anywhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* _IOR('X', 125, uint32_t): EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN. Flag 2: without writing the journal. */
#define SHUTDOWN 0x8004587d
#define NO_LOG_FLUSH 2

static char buffer[1 << 20];

static int create(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) return -1;
  for (ssize_t size; (size = read(0, buffer, sizeof buffer)) > 0;)
    for (ssize_t done = 0, taken; done < size; done += taken)
      if ((taken = write(fd, buffer + done, size - done)) < 0) return -1;
  return close(fd);
}

static int persist(const char *path) {
  int fd = open(path, O_RDWR);
  return fd < 0 ? -1 : fsync(fd);
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  int disk = open(arguments[1], O_RDONLY | O_DIRECTORY), result = 0;
  uint32_t flags = NO_LOG_FLUSH;
  const char *call = count > 2 ? arguments[2] : "";
  if (disk < 0) return 2;
  errno = 0;
  if (strcmp(call, "rename") == 0 && count == 5) result = rename(arguments[3], arguments[4]);
  else if (strcmp(call, "link") == 0 && count == 5) result = link(arguments[3], arguments[4]);
  else if (strcmp(call, "fsync") == 0 && count == 4) result = persist(arguments[3]);
  else if (strcmp(call, "create") == 0 && count == 4) result = create(arguments[3]);
  else if (count > 2) return 2;
  int error = errno;
  if (ioctl(disk, SHUTDOWN, &flags) != 0) {
    perror("shutdown");
    return 1;
  }
  puts(result == 0 ? "OK" : strerrorname_np(error));
  return 0;
}
