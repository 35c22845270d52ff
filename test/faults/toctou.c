/*
 * Writes a file, and has it committed while others do all they can to change it, before, in and after that moment:
 *
 *   toctou PATH BLOBS SOURCE HEX COMMIT NAME HOLD MILLISECONDS ATTACK…
 *
 * PATH gets the bytes of SOURCE, whose sha256 is HEX, and is to become `BLOBS/<digest>`; all paths are absolute.
 *
 *   COMMIT  rename, noreplace (renameat2(2)), link, link-open (linkat(2) of the descriptor), or close, where
 *           PATH is `BLOBS/HEX` itself
 *   NAME    the digest: `known` HEX, `read` what sha256sum finds, `told` what user.cas.digest says
 *   HOLD    keep, or close: the descriptor that wrote the file
 *   ATTACK  see by_descriptor, by_memory, by_name; each is a thread or a process; `all` is one of each
 *
 * Says `open` once all have taken hold of the file, waits for a line of standard input, and tries to commit for so many
 * milliseconds. After a commit the attacks go on for a while. Says:
 *
 *   refused ATTACK ERRNO     it could not take hold of the file
 *   acked sha256:HEX SIZE    the commit was acknowledged; `found` where only the blob tells
 *   answers ERRNO COUNT      how tries to commit ended
 *   afterwards               it could not be committed until all had let go of it
 *   accepted BEFORE AFTER    how many attacks succeeded before and after the commit
 *   slowest MILLISECONDS     the longest call
 *   WRONG …                  what must not be; the exit code is 1
 */
#include "toctou.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/** STRIKE_MS: how long attacks go on after a commit. REPAIR_MS: when bad bytes that stay are taken to be left ones. */
enum { STRIKE_MS = 150, CHECK_MS = 25, REPAIR_MS = 3000, HEX_DIGITS = 64, ERRNOS = 256 };

struct shared *shared;
struct target target = { .fd = -1 };
int wrong;

/** The digest of a file as sha256sum finds it; 0 where it cannot be read. */
static int digest_of(const char *path, char *hex)
{
  char command[4200];
  snprintf(command, sizeof command, "sha256sum 2> /dev/null < '%s'", path);
  FILE *output = popen(command, "re");
  int found = output && fscanf(output, "%64s", hex) == 1;
  return output && pclose(output) == 0 && found;
}

static int digest_told(char *hex)
{
  char value[128] = "";
  if (getxattr(target.path, "user.cas.digest", value, sizeof value - 1) < 0) return 0;
  return sscanf(value, "sha256:%64s", hex) == 1;
}

static int attempt(const char *how)
{
  const char *path = target.path, *blob = target.blob;
  char open_file[64];
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", target.fd);
  if (strcmp(how, "rename") == 0) return rename(path, blob);
  if (strcmp(how, "link") == 0) return link(path, blob);
  if (strcmp(how, "close") == 0) return close(dup(target.fd));
  if (strcmp(how, "link-open") == 0)
    return target.fd < 0 ? link(path, blob) : linkat(AT_FDCWD, open_file, AT_FDCWD, blob, AT_SYMLINK_FOLLOW);
  if (strcmp(how, "noreplace") != 0) exit(2);
  // libfuse 2 has no flags of rename.
  int made = renameat2(AT_FDCWD, path, AT_FDCWD, blob, RENAME_NOREPLACE);
  return made < 0 && errno == EINVAL ? rename(path, blob) : made;
}

/** Commits; 0, or the errno. -1: it is a blob, and who asked before was not told. */
static int commit(const char *how)
{
  long began = now();
  int failed = attempt(how) < 0 ? errno : 0;
  took(began);
  struct stat stat;
  if (failed == ENOENT && access(target.path, F_OK) < 0 && lstat(target.blob, &stat) == 0) return -1;
  return failed;
}

static void check(const char *hex)
{
  char found[HEX_DIGITS + 1];
  if (digest_of(target.blob, found) && strcmp(found, hex) != 0)
    printf("WRONG %s shows %s\n", hex, found), wrong = 1;
}

static void acknowledged(const char *word, const char *hex)
{
  struct stat stat;
  size_t size = lstat(target.blob, &stat) == 0 ? (size_t)stat.st_size : target.size;
  printf("%s sha256:%s %zu\n", word, hex, size);
}

/** Where a killed daemon has left bad bytes, no descriptor from before can put right ones in their place. */
static void repair(void)
{
  int fd = open(target.path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  put_all(fd, target.good, 0, target.size);
  if (ftruncate(fd, (off_t)target.size) == 0) shared->phase = CALM;
  close(fd);
}

/** Tries until it is done or the time is over; whether it is. */
static int race(const char *blobs, const char *known, const char *how, const char *naming, long milliseconds)
{
  static int answers[ERRNOS];
  char hex[HEX_DIGITS + 1] = "";
  int done = 0;
  for (long began = now(), at = 0; !done && at < milliseconds; at = now() - began) {
    shared->phase = at % 400 < 150 ? RACE : CALM;
    if (at > REPAIR_MS && at % 1000 < 50) repair();
    int has = strcmp(naming, "read") == 0 ? digest_of(target.path, hex) : 0;
    if (strcmp(naming, "told") == 0) has = digest_told(hex);
    if (!has) memcpy(hex, known, HEX_DIGITS + 1);
    snprintf(target.blob, sizeof target.blob, "%s/%s", blobs, hex);
    int failed = commit(how);
    if (failed <= 0) acknowledged(failed == 0 ? "acked" : "found", hex), done = 1;
    else answers[failed < ERRNOS ? failed : 0]++;
    if (failed > 0 && failed != EBADMSG) usleep(2000);
  }
  for (int number = 0; number < ERRNOS; number++)
    if (answers[number] > 0) printf("answers %s %d\n", strerrorname_np(number), answers[number]);
  if (!done) return 0;
  shared->phase = STRIKE;
  signal_stopping(SIGCONT);
  for (long began = now(); !wrong && now() - began < STRIKE_MS; usleep(CHECK_MS * 1000)) check(hex);
  check(hex);
  return 1;
}

/** When all have let go of it, it is written again and committed, within 5 s. */
static void commit_afterwards(const char *blobs, const char *hex, int direct)
{
  snprintf(target.blob, sizeof target.blob, "%s/%s", blobs, hex);
  for (long began = now(); now() - began < 5000; usleep(10000)) {
    int fd = open(target.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) continue;
    int failed = put_all(fd, target.good, 0, target.size);
    if (close(fd) < 0 || failed < 0) continue;
    if (!direct && rename(target.path, target.blob) < 0) continue;
    printf("afterwards\n");
    acknowledged("acked", hex);
    return;
  }
  printf("WRONG it cannot be committed: %s\n", strerrorname_np(errno));
  wrong = 1;
}

static int memory_file(const char *bytes)
{
  int fd = memfd_create("bytes", MFD_CLOEXEC);
  if (fd < 0 || put_all(fd, bytes, 0, target.size) < 0) die("memfd");
  return fd;
}

static void prepare(const char *source)
{
  struct stat stat;
  int fd = open(source, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat) < 0) die(source);
  target.size = (size_t)stat.st_size;
  target.good = aligned_alloc(4096, target.size / 4096 * 4096 + 4096);
  target.bad = aligned_alloc(4096, target.size / 4096 * 4096 + 4096);
  if (read(fd, target.good, target.size) != stat.st_size) die(source);
  close(fd);
  for (size_t at = 0; at < target.size; at++) target.bad[at] = (char)~target.good[at];
  target.good_file = memory_file(target.good);
  target.bad_file = memory_file(target.bad);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  target.fd = open(target.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (target.fd < 0 || put_all(target.fd, target.good, 0, target.size) < 0) die(target.path);
}

int main(int argc, char *argv[])
{
  if (argc < 10) return 2;
  const char *blobs = argv[2], *hex = argv[4], *how = argv[5], *naming = argv[6];
  /* What attacks make beside the file. */
  static const char *suffixes[] = { "beside", "swap", "away", "other" };
  char line[16], beside[4096];
  alarm(PATIENCE);
  if (chdir("/") < 0) return 2;
  signal(SIGPIPE, SIG_IGN);
  target.path = argv[1];
  snprintf(target.blob, sizeof target.blob, "%s/%s", blobs, hex);
  prepare(argv[3]);
  for (int at = 9; at < argc; at++) take_all(argv[at]);
  if (strcmp(argv[7], "close") == 0) close(target.fd), target.fd = -1;
  begin();
  printf("open\n");
  fflush(stdout);
  if (fgets(line, sizeof line, stdin) == NULL) return 2;
  shared->phase = CALM;
  usleep(5000);
  signal_stopping(SIGSTOP);
  shared->phase = RACE;
  usleep(10000);
  int done = race(blobs, hex, how, naming, atol(argv[8]));
  end();
  if (target.fd >= 0) close(target.fd);
  if (!done) commit_afterwards(blobs, hex, strcmp(how, "close") == 0);
  if (strcmp(how, "close") != 0) unlink(target.path);
  for (size_t index = 0; index < sizeof suffixes / sizeof *suffixes; index++) {
    snprintf(beside, sizeof beside, "%s-%s", target.path, suffixes[index]);
    unlink(beside);
  }
  printf("accepted %ld %ld\nslowest %ld\n", shared->before, shared->after, shared->slowest);
  return wrong;
}
