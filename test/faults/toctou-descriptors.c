/* What can be done to a file by who has a descriptor of it; see toctou.c. */
#include "toctou.h"
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PIPE = 65536, BLOCK = 4096 };

static int put_pwrite(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return put_all(hold->fd, bytes, at, size);
}

/** Stopped and let go on, it must not be in between bad and right bytes. */
static int put_stopped(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  int good = bytes == target.good + at;
  return good || shared->phase == STRIKE ? put_all(hold->fd, bytes, at, size) : -1;
}

static int put_append(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  struct iovec piece = { (char *)bytes, size };
  if (bytes == target.good + at) return ftruncate(hold->fd, (off_t)target.size);
  return pwritev2(hold->fd, &piece, 1, -1, RWF_APPEND) < 0 ? -1 : 0;
}

static int put_synced(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  struct iovec piece = { (char *)bytes, size };
  if (pwritev2(hold->fd, &piece, 1, (off_t)at, RWF_DSYNC) < 0) return -1;
  return fsync(hold->fd);
}

static int put_cut(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  (void)size;
  if (bytes != target.good + at) return ftruncate(hold->fd, (off_t)at);
  if (ftruncate(hold->fd, (off_t)target.size) < 0) return -1;
  return put_all(hold->fd, bytes, at, target.size - at);
}

static int put_holes(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  static const int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, 0,
                               FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE };
  if (bytes != target.good + at) {
    int made = -1;
    for (size_t mode = 0; mode < sizeof modes / sizeof *modes; mode++) {
      int aligned = modes[mode] & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
      off_t from = (off_t)(aligned ? 0 : at), length = (off_t)(aligned ? BLOCK : size);
      if (fallocate(hold->fd, modes[mode], from, length) == 0) made = 0;
    }
    return made;
  }
  if (ftruncate(hold->fd, (off_t)target.size) < 0) return -1;
  return put_all(hold->fd, target.good, 0, target.size);
}

static int take_pipe(struct hold *hold)
{
  int *ends = malloc(2 * sizeof *ends);
  hold->state = ends;
  return pipe2(ends, O_CLOEXEC) < 0 ? -1 : take_descriptor(hold);
}

/** What stays in the pipe of a refused splice(2) would be the next one's. */
static int drain(struct hold *hold, ssize_t left)
{
  char waste[BLOCK];
  while (left > 0) left -= read(((int *)hold->state)[0], waste, left < BLOCK ? (size_t)left : BLOCK);
  return -1;
}

static int from_pipe(struct hold *hold, off_t at, ssize_t size)
{
  while (size > 0) {
    ssize_t moved = splice(((int *)hold->state)[0], NULL, hold->fd, &at, (size_t)size, SPLICE_F_MOVE);
    if (moved <= 0) return drain(hold, size);
    size -= moved;
  }
  return 0;
}

static int put_splice(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  int *ends = hold->state;
  for (size_t done = 0; done < size;) {
    ssize_t written = write(ends[1], bytes + done, size - done < PIPE ? size - done : PIPE);
    if (written <= 0 || from_pipe(hold, (off_t)(at + done), written) < 0) return -1;
    done += (size_t)written;
  }
  return 0;
}

/** The pages that were given away are written again afterwards. */
static int put_vmsplice(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  int *ends = hold->state;
  if (hold->memory == NULL) hold->memory = aligned_alloc(BLOCK, PIPE / 2);
  for (size_t done = 0; done < size;) {
    size_t part = size - done < PIPE / 2 ? size - done : PIPE / 2;
    memcpy(hold->memory, bytes + done, part);
    struct iovec piece = { hold->memory, part };
    ssize_t given = vmsplice(ends[1], &piece, 1, SPLICE_F_GIFT);
    if (given <= 0 || from_pipe(hold, (off_t)(at + done), given) < 0) return -1;
    memset(hold->memory, 'x', PIPE / 2);
    done += (size_t)given;
  }
  return 0;
}

/** Another file of the same mount, with the right bytes and then the bad ones. */
static int take_copy(struct hold *hold)
{
  char beside[4096];
  snprintf(beside, sizeof beside, "%s-beside", target.path);
  int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || put_all(fd, target.good, 0, target.size) < 0) return -1;
  if (put_all(fd, target.bad, target.size, target.size) < 0) return -1;
  close(fd);
  hold->other = open(beside, O_RDONLY | O_CLOEXEC);
  return hold->other < 0 ? -1 : take_descriptor(hold);
}

static int put_copy(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  off_t to = (off_t)at, from = to + (bytes == target.good + at ? 0 : (off_t)target.size);
  for (size_t done = 0; done < size;) {
    ssize_t copied = copy_file_range(hold->other, &from, hold->fd, &to, size - done, 0);
    if (copied <= 0) return -1;
    done += (size_t)copied;
  }
  return 0;
}

static int put_sendfile(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  off_t from = (off_t)at;
  int source = bytes == target.good + at ? target.good_file : target.bad_file;
  if (lseek(hold->fd, (off_t)at, SEEK_SET) < 0) return -1;
  for (size_t done = 0; done < size;) {
    ssize_t sent = sendfile(hold->fd, source, &from, size - done);
    if (sent <= 0) return -1;
    done += (size_t)sent;
  }
  return 0;
}

/** Where the file cannot be opened once more, its one open file becomes direct, if nobody else goes by that. */
static int take_direct(struct hold *hold)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", target.fd);
  hold->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
  if (hold->fd >= 0) return 0;
  if (target.attacks > 0) return -1;
  if (take_descriptor(hold) < 0) return -1;
  return fcntl(hold->fd, F_SETFL, O_DIRECT);
}

static int put_direct(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  size_t from = at / BLOCK * BLOCK, to = (at + size) / BLOCK * BLOCK;
  return to > from ? put_all(hold->fd, bytes - (at - from), from, to - from) : -1;
}

static void *scribble(void *argument)
{
  struct hold *hold = argument;
  atomic_int *goes_on = hold->state;
  for (int turn = 0; *goes_on; turn++) memcpy(hold->memory, turn % 2 ? target.good : target.bad, target.size);
  return NULL;
}

/** The buffer changes while it is written: what is hashed and what is stored must be the same all the same. */
static int put_scribbled(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  pthread_t thread;
  if (bytes == target.good + at) return put_all(hold->fd, bytes, at, size);
  if (hold->memory == NULL) {
    hold->memory = malloc(target.size);
    hold->state = malloc(sizeof(atomic_int));
  }
  *(atomic_int *)hold->state = 1;
  memcpy(hold->memory, target.bad, target.size);
  if (pthread_create(&thread, NULL, scribble, hold) != 0) return -1;
  int made = put_all(hold->fd, hold->memory + at, at, size);
  *(atomic_int *)hold->state = 0;
  pthread_join(thread, NULL);
  return made;
}

static int leased = -1;

static void give_back(int signal)
{
  (void)signal;
  fcntl(leased, F_SETLEASE, F_UNLCK);
}

/** Leases and locks of its own must hold up nobody; who opens the file itself gets the lease from it. */
static int take_lease(struct hold *hold)
{
  if (take_descriptor(hold) < 0) return -1;
  leased = hold->fd;
  signal(SIGIO, give_back);
  fcntl(hold->fd, F_SETLEASE, F_WRLCK);
  flock(hold->fd, LOCK_EX | LOCK_NB);
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  fcntl(hold->fd, F_OFD_SETLK, &lock);
  return 0;
}

/** The descriptor is in a message that nobody has taken yet, and nowhere else. */
static int take_message(struct hold *hold)
{
  int ends[2];
  char room[CMSG_SPACE(sizeof(int))] = { 0 };
  struct iovec piece = { "x", 1 };
  struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
  memcpy(CMSG_DATA(header), &target.fd, sizeof target.fd);
  ssize_t sent = sendmsg(ends[0], &message, 0);
  close(ends[0]);
  hold->other = ends[1];
  return sent < 0 ? -1 : 0;
}

static int receive(struct hold *hold)
{
  char byte, room[CMSG_SPACE(sizeof(int))];
  struct iovec piece = { &byte, 1 };
  struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
  if (hold->fd >= 0) return 0;
  if (recvmsg(hold->other, &message, MSG_CMSG_CLOEXEC) <= 0 || CMSG_FIRSTHDR(&message) == NULL) return -1;
  memcpy(&hold->fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof hold->fd);
  return 0;
}

static int put_passed(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return receive(hold) < 0 ? -1 : put_all(hold->fd, bytes, at, size);
}

static int put_passed_late(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return shared->phase == STRIKE ? put_passed(hold, bytes, at, size) : -1;
}

const struct attack by_descriptor[] = {
  { .name = "pwrite", .take = take_descriptor, .put = put_pwrite },
  { .name = "append", .take = take_descriptor, .put = put_append },
  { .name = "synced", .take = take_descriptor, .put = put_synced },
  { .name = "cut", .take = take_descriptor, .put = put_cut },
  { .name = "holes", .take = take_descriptor, .put = put_holes },
  { .name = "splice", .take = take_pipe, .put = put_splice },
  { .name = "vmsplice", .take = take_pipe, .put = put_vmsplice },
  { .name = "copy", .take = take_copy, .put = put_copy },
  { .name = "sendfile", .take = take_descriptor, .put = put_sendfile },
  { .name = "scribbled", .take = take_descriptor, .put = put_scribbled },
  { .name = "lease", .take = take_lease, .put = put_pwrite },
  { .name = "ring", .take = take_ring, .put = put_ring, .leave = leave_ring },
  { .name = "ring-late", .take = take_ring, .put = put_ring_late, .leave = leave_ring },
  { .name = "passed", .apart = 1, .take = take_message, .put = put_passed },
  { .name = "passed-late", .take = take_message, .put = put_passed_late },
  { .name = "forked", .apart = 1, .take = take_descriptor, .put = put_pwrite },
  { .name = "stopped", .apart = 1, .stops = 1, .take = take_descriptor, .put = put_stopped },
  { .name = "direct", .take = take_direct, .put = put_direct },
  { 0 },
};
