// Fails, or records, this process's calls on files below a folder. Loaded by LD_PRELOAD; see shim.py.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The kinds of calls; KINDS of shim.py has the same numbers.
enum { OPEN = 1, CREATE = 2, READ = 4, WRITE = 8, SYNC = 16, RENAME = 32, REMOVE = 64, MAKE = 128, MAP = 256, ASK = 512 };

#define PATH_BYTES (2 * PATH_MAX)
#define REAL(name) \
  ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static char root[PATH_MAX];  // with a slash at the end; empty until armed
static char counted[PATH_MAX];  // pattern of the paths below it whose calls count
static int kinds, failure, sticky, log_file = -1, records;
static atomic_long left;  // until the call that fails
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // calls are recorded in their order

// Makes the n-th call of some kinds fail, or that and all later ones; or records all calls that change files.
void faults_arm(const char *folder, const char *pattern, int of_kinds, int error, long n, int and_later, int log, int all) {
  snprintf(counted, sizeof counted, "%s", pattern);
  snprintf(root, sizeof root, "%s/", folder);
  kinds = of_kinds, failure = error, sticky = and_later, log_file = log, records = all;
  left = n;
}

static void put(const void *data, size_t size) {
  for (const char *at = data; size;) {
    long count = syscall(SYS_write, log_file, at, size);
    if (count < 0) abort();
    at += count, size -= count;
  }
}

static void note(const char *call, const char *path, const char *other, long long offset, size_t size) {
  char line[3 * PATH_BYTES];
  put(line, snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%zu\n", call, path, other, offset, size));
}

// Whether a path is below the folder; `out` receives it.
static int inside(int at, const char *path, char *out) {
  if (!*root || !path) return 0;
  size_t length = 0;
  if (*path != '/') {
    char link[64] = "/proc/self/cwd";
    if (at != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t count = readlink(link, out, PATH_MAX);
    if (count < 0) return 0;
    out[length = count] = '/', length += *path != 0;
  }
  snprintf(out + length, PATH_BYTES - length, "%s", path);
  return !strncmp(out, root, strlen(root)) || !strncmp(out, root, strlen(root) - 1);
}

static int inside_file(int file, char *out) { return file >= 0 && file != log_file && inside(file, "", out); }

static int strikes(int kind, const char *call, const char *path) {
  if (!(kinds & kind)) return 0;
  size_t length = strlen(root);
  if (fnmatch(counted, strlen(path) > length ? path + length : "", 0)) return 0;
  long place = atomic_fetch_sub(&left, 1);
  if (place > 1 || (place < 1 && !sticky)) return 0;
  if (place == 1) note(call, path, strerrorname_np(failure), 0, 0);
  errno = failure;
  return 1;
}

static int there(int at, const char *path) {  // not by a function that counts as a call itself
  struct stat status;
  return !syscall(SYS_newfstatat, at, path, &status, AT_SYMLINK_NOFOLLOW);
}

static void begin(void) { if (records) pthread_mutex_lock(&lock); }

static void end(int succeeded, const char *call, const char *path, const char *other, long long offset,
                const void *data, size_t size) {
  if (!records) return;
  int saved = errno;
  if (succeeded) note(call, path, other, offset, data ? size : 0);
  if (succeeded && data) put(data, size);
  pthread_mutex_unlock(&lock);
  errno = saved;
}

// A call on a path: fails, or runs and is recorded.
#define ON_PATH(kind, call, at, path, expression, failed) \
  char full[PATH_BYTES]; \
  if (!inside(at, path, full)) return expression; \
  const char *name = call; /* whether it creates a file, before it does */ \
  if ((kind != REMOVE || there(at, path)) && strikes(kind, name, full)) return failed; \
  begin(); \
  __typeof__(expression) result = expression; \
  end(result != failed, name, full, "", 0, 0, 0); \
  return result

static const char *opening(int at, const char *path, int flags) {
  if (flags & O_CREAT && !there(at, path)) return "create";
  return flags & O_TRUNC ? "truncate" : "open";
}

#define OPENS(function, at, path, ...) \
  mode_t mode = 0; \
  if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
  ON_PATH(*name == 'c' ? CREATE : OPEN, opening(at, path, flags), at, path, REAL(function)(__VA_ARGS__), -1)

int open(const char *path, int flags, ...) { OPENS(open, AT_FDCWD, path, path, flags, mode); }
int open64(const char *path, int flags, ...) { OPENS(open64, AT_FDCWD, path, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { OPENS(openat, at, path, at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { OPENS(openat64, at, path, at, path, flags, mode); }

static int flags_of(const char *mode) {
  return *mode == 'r' ? O_RDONLY : *mode == 'w' ? O_CREAT | O_TRUNC : O_CREAT;
}

#define FOPENS(function) \
  int flags = flags_of(mode); \
  ON_PATH(*name == 'c' ? CREATE : OPEN, opening(AT_FDCWD, path, flags), AT_FDCWD, path, REAL(function)(path, mode), NULL)

FILE *fopen(const char *path, const char *mode) { FOPENS(fopen); }
FILE *fopen64(const char *path, const char *mode) { FOPENS(fopen64); }
DIR *opendir(const char *path) { ON_PATH(OPEN, "open", AT_FDCWD, path, REAL(opendir)(path), NULL); }

struct dirent *readdir(DIR *folder) {
  char full[PATH_BYTES];
  return inside_file(dirfd(folder), full) && strikes(READ, "readdir", full) ? NULL : REAL(readdir)(folder);
}
struct dirent64 *readdir64(DIR *folder) {
  char full[PATH_BYTES];
  return inside_file(dirfd(folder), full) && strikes(READ, "readdir", full) ? NULL : REAL(readdir64)(folder);
}

// A question about a path, also about one that is not there.
#define ASKS(call, at, path, expression) \
  char full[PATH_BYTES]; \
  return inside(at, path, full) && strikes(ASK, call, full) ? -1 : expression

int stat(const char *path, struct stat *to) { ASKS("stat", AT_FDCWD, path, REAL(stat)(path, to)); }
int stat64(const char *path, struct stat64 *to) { ASKS("stat", AT_FDCWD, path, REAL(stat64)(path, to)); }
int lstat(const char *path, struct stat *to) { ASKS("lstat", AT_FDCWD, path, REAL(lstat)(path, to)); }
int lstat64(const char *path, struct stat64 *to) { ASKS("lstat", AT_FDCWD, path, REAL(lstat64)(path, to)); }
int fstatat(int at, const char *path, struct stat *to, int flags) {
  ASKS("stat", at, path, REAL(fstatat)(at, path, to, flags));
}
int fstatat64(int at, const char *path, struct stat64 *to, int flags) {
  ASKS("stat", at, path, REAL(fstatat64)(at, path, to, flags));
}
int statx(int at, const char *path, int flags, unsigned mask, struct statx *to) {
  ASKS("stat", at, path, REAL(statx)(at, path, flags, mask, to));
}
// What programs call that were linked with a glibc before 2.33, as TensorFlow is.
int __xstat(int version, const char *path, struct stat *to) { return stat(path, to); }
int __xstat64(int version, const char *path, struct stat64 *to) { return stat64(path, to); }
int __lxstat(int version, const char *path, struct stat *to) { return lstat(path, to); }
int __lxstat64(int version, const char *path, struct stat64 *to) { return lstat64(path, to); }
int __fxstatat(int version, int at, const char *path, struct stat *to, int flags) {
  return fstatat(at, path, to, flags);
}
int __fxstatat64(int version, int at, const char *path, struct stat64 *to, int flags) {
  return fstatat64(at, path, to, flags);
}
int access(const char *path, int mode) { ASKS("access", AT_FDCWD, path, REAL(access)(path, mode)); }
int faccessat(int at, const char *path, int mode, int flags) {
  ASKS("access", at, path, REAL(faccessat)(at, path, mode, flags));
}

#define READS(name, ...) \
  char full[PATH_BYTES]; \
  if (inside_file(file, full) && strikes(READ, "read", full)) return -1; \
  return REAL(name)(__VA_ARGS__)

ssize_t read(int file, void *data, size_t size) { READS(read, file, data, size); }
ssize_t readv(int file, const struct iovec *parts, int count) { READS(readv, file, parts, count); }
ssize_t pread(int file, void *data, size_t size, off_t at) { READS(pread, file, data, size, at); }
ssize_t pread64(int file, void *data, size_t size, off64_t at) { READS(pread64, file, data, size, at); }
ssize_t preadv(int file, const struct iovec *parts, int count, off_t at) { READS(preadv, file, parts, count, at); }
ssize_t preadv64(int file, const struct iovec *parts, int count, off64_t at) { READS(preadv64, file, parts, count, at); }

static long long offset_of(int file) {
  if (!records) return 0;
  struct stat status;
  if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &status) ? -1 : status.st_size;
  return lseek(file, 0, SEEK_CUR);
}

#define WRITES(name, data, at, ...) \
  char full[PATH_BYTES]; \
  if (!inside_file(file, full)) return REAL(name)(__VA_ARGS__); \
  if (strikes(WRITE, "write", full)) return -1; \
  begin(); \
  long long offset = at; \
  ssize_t count = REAL(name)(__VA_ARGS__); \
  end(count > 0, "write", full, "", offset, data, count); \
  return count

ssize_t write(int file, const void *data, size_t size) { WRITES(write, data, offset_of(file), file, data, size); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) { WRITES(pwrite, data, at, file, data, size, at); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) { WRITES(pwrite64, data, at, file, data, size, at); }

// Copies within the kernel have no data to record: callers then copy by hand.
#define COPIES(name, ...) \
  char full[PATH_BYTES]; \
  if (!inside_file(to, full)) return REAL(name)(__VA_ARGS__); \
  if (strikes(WRITE, #name, full)) return -1; \
  if (records) { errno = ENOSYS; return -1; } \
  return REAL(name)(__VA_ARGS__)

ssize_t sendfile(int to, int from, off_t *at, size_t size) { COPIES(sendfile, to, from, at, size); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) { COPIES(sendfile64, to, from, at, size); }
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *place, size_t size, unsigned flags) {
  COPIES(copy_file_range, from, at, to, place, size, flags);
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
  char full[PATH_BYTES];
  if (!inside_file(fileno(stream), full)) return REAL(fwrite)(data, size, count, stream);
  if (strikes(WRITE, "fwrite", full)) return 0;
  begin();
  long long offset = records ? ftello(stream) : 0;
  size_t written = REAL(fwrite)(data, size, count, stream);
  end(written > 0, "write", full, "", offset, data, written * size);
  return written;
}

int fflush(FILE *stream) {
  char full[PATH_BYTES];
  if (stream && inside_file(fileno(stream), full) && strikes(WRITE, "fflush", full)) return EOF;
  return REAL(fflush)(stream);
}

int fclose(FILE *stream) {
  char full[PATH_BYTES];
  int struck = inside_file(fileno(stream), full) && strikes(WRITE, "fclose", full);
  int result = REAL(fclose)(stream);
  if (struck) errno = failure;
  return struck ? EOF : result;
}

#define ON_FILE(kind, call, expression, at) \
  char full[PATH_BYTES]; \
  if (!inside_file(file, full)) return expression; \
  if (strikes(kind, call, full)) return -1; \
  begin(); \
  int result = expression; \
  end(!result, call, full, "", at, 0, 0); \
  return result

int fsync(int file) { ON_FILE(SYNC, "fsync", REAL(fsync)(file), 0); }
int fdatasync(int file) { ON_FILE(SYNC, "fsync", REAL(fdatasync)(file), 0); }
int ftruncate(int file, off_t size) { ON_FILE(WRITE, "cut", REAL(ftruncate)(file, size), size); }
int ftruncate64(int file, off64_t size) { ON_FILE(WRITE, "cut", REAL(ftruncate64)(file, size), size); }

#define FROM_TO(call, from_at, from, to_at, to, expression) \
  char old[PATH_BYTES], new[PATH_BYTES]; \
  if (!inside(to_at, to, new) || !inside(from_at, from, old)) return expression; \
  if (strikes(RENAME, call, new)) return -1; \
  begin(); \
  int result = expression; \
  end(!result, call, old, new, 0, 0, 0); \
  return result

int rename(const char *from, const char *to) {
  FROM_TO("rename", AT_FDCWD, from, AT_FDCWD, to, REAL(rename)(from, to));
}
int renameat(int a, const char *from, int b, const char *to) {
  FROM_TO("rename", a, from, b, to, REAL(renameat)(a, from, b, to));
}
int link(const char *from, const char *to) {
  FROM_TO("link", AT_FDCWD, from, AT_FDCWD, to, REAL(link)(from, to));
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  FROM_TO("link", a, from, b, to, REAL(linkat)(a, from, b, to, flags));
}

int unlink(const char *path) { ON_PATH(REMOVE, "unlink", AT_FDCWD, path, REAL(unlink)(path), -1); }
int rmdir(const char *path) { ON_PATH(REMOVE, "rmdir", AT_FDCWD, path, REAL(rmdir)(path), -1); }
int unlinkat(int at, const char *path, int flags) {
  ON_PATH(REMOVE, flags & AT_REMOVEDIR ? "rmdir" : "unlink", at, path, REAL(unlinkat)(at, path, flags), -1);
}
int mkdir(const char *path, mode_t mode) { ON_PATH(MAKE, "mkdir", AT_FDCWD, path, REAL(mkdir)(path, mode), -1); }
int mkdirat(int at, const char *path, mode_t mode) {
  ON_PATH(MAKE, "mkdir", at, path, REAL(mkdirat)(at, path, mode), -1);
}

#define MAPS(name) \
  char full[PATH_BYTES]; \
  if (inside_file(file, full) && strikes(MAP, "mmap", full)) return MAP_FAILED; \
  return REAL(name)(at, size, protection, flags, file, offset)

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) { MAPS(mmap); }
void *mmap64(void *at, size_t size, int protection, int flags, int file, off64_t offset) { MAPS(mmap64); }
