/* What can be done to a file by who has given it to io_uring, and has closed it; see toctou.c. */
#include "toctou.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ring {
  int fd;
  char *queue;
  size_t queue_size, entries_size;
  struct io_uring_params params;
  struct io_uring_sqe *entries;
};

static unsigned *at_offset(struct ring *ring, unsigned offset) { return (unsigned *)(ring->queue + offset); }

static void *map_ring(struct ring *ring, size_t size, off_t what)
{
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, what);
}

/** The file is registered, and no process has a descriptor of it for that. */
int take_ring(struct hold *hold)
{
  struct ring *ring = calloc(1, sizeof *ring);
  hold->state = ring;
  ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
  if (ring->fd < 0) return -1;
  fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
  if (!(ring->params.features & IORING_FEAT_SINGLE_MMAP)) return errno = ENOSYS, -1;
  size_t completions = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
  size_t submissions = ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned);
  ring->queue_size = completions > submissions ? completions : submissions;
  ring->entries_size = ring->params.sq_entries * sizeof *ring->entries;
  ring->queue = map_ring(ring, ring->queue_size, IORING_OFF_SQ_RING);
  ring->entries = map_ring(ring, ring->entries_size, IORING_OFF_SQES);
  if (ring->queue == MAP_FAILED || (void *)ring->entries == MAP_FAILED) return -1;
  return (int)syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, &target.fd, 1);
}

static int write_once(struct ring *ring, const char *bytes, size_t at, size_t size)
{
  unsigned tail = *at_offset(ring, ring->params.sq_off.tail), slot = tail & *at_offset(ring, ring->params.sq_off.ring_mask);
  ring->entries[slot] = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .flags = IOSQE_FIXED_FILE | IOSQE_ASYNC,
                                               .addr = (size_t)bytes, .len = (unsigned)size, .off = at };
  at_offset(ring, ring->params.sq_off.array)[slot] = slot;
  __atomic_store_n(at_offset(ring, ring->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -1;
  unsigned head = *at_offset(ring, ring->params.cq_off.head);
  while (__atomic_load_n(at_offset(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE) == head) usleep(100);
  struct io_uring_cqe *done = (struct io_uring_cqe *)(ring->queue + ring->params.cq_off.cqes);
  int result = done[head & *at_offset(ring, ring->params.cq_off.ring_mask)].res;
  __atomic_store_n(at_offset(ring, ring->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
  if (result < 0) errno = -result;
  return result;
}

int put_ring(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  for (size_t done = 0; done < size;) {
    int written = write_once(hold->state, bytes + done, at + done, size - done);
    if (written <= 0) return -1;
    done += (size_t)written;
  }
  return 0;
}

void leave_ring(struct hold *hold)
{
  struct ring *ring = hold->state;
  munmap(ring->queue, ring->queue_size);
  munmap(ring->entries, ring->entries_size);
  close(ring->fd);
}

int put_ring_late(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return shared->phase == STRIKE ? put_ring(hold, bytes, at, size) : -1;
}
