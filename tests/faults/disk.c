/* Preloaded into a server, makes the disk below its SQLite files slow or faulty, as the words of a
   shared page say (disk.py writes them). A count of -1 is for ever; a fault that was made counts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct words {
    volatile int sync_delay_ms, sync_error, syncs_to_fail;
    volatile int write_error, writes_to_fail, writes_to_cut;
    volatile int syncs_under_way, made;
};

static struct words *words;

__attribute__((constructor)) static void open_words(void)
{
    const char *path = getenv("DISK_FAULTS");
    int fd = path == NULL ? -1 : open(path, O_RDWR);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    words = page == MAP_FAILED ? NULL : page;
    if (fd >= 0) close(fd);
}

/* Whether a descriptor is of the database, its log or its index. */
static int is_database(int fd)
{
    static const char root[] = "/proc/self/fd/";
    char link[32], path[4096], digits[12];
    int at = 0, length = sizeof root - 1, kept = errno;
    if (words == NULL || fd < 0) return 0;
    do digits[at++] = '0' + fd % 10; while ((fd /= 10) > 0);
    memcpy(link, root, length);
    while (at > 0) link[length++] = digits[--at];
    link[length] = 0;
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (size <= 0) return 0;
    path[size] = 0;
    return strstr(path, "/moorage.db") != NULL;
}

/* Take one fault of a count; whether there was one to take. */
static int take(volatile int *count)
{
    int left = *count;
    while (left > 0 && !__sync_bool_compare_and_swap(count, left, left - 1)) left = *count;
    if (left == 0) return 0;
    __sync_add_and_fetch(&words->made, 1);
    return 1;
}

static int faulty_sync(int fd, const char *name)
{
    int (*really)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!is_database(fd)) return really(fd);
    struct timespec pause = {words->sync_delay_ms / 1000, words->sync_delay_ms % 1000 * 1000000L};
    __sync_add_and_fetch(&words->syncs_under_way, 1);
    nanosleep(&pause, NULL);
    __sync_sub_and_fetch(&words->syncs_under_way, 1);
    if (!take(&words->syncs_to_fail)) return really(fd);
    errno = words->sync_error;
    return -1;
}

/* The size that may be written now, or -1 for a fault. */
static ssize_t allowed(int fd, size_t size)
{
    if (!is_database(fd)) return (ssize_t)size;
    if (take(&words->writes_to_fail)) {
        errno = words->write_error;
        return -1;
    }
    return size > 1 && take(&words->writes_to_cut) ? (ssize_t)(size / 2) : (ssize_t)size;
}

int fsync(int fd) { return faulty_sync(fd, "fsync"); }
int fdatasync(int fd) { return faulty_sync(fd, "fdatasync"); }

ssize_t pwrite(int fd, const void *from, size_t size, off_t at)
{
    ssize_t (*really)(int, const void *, size_t, off_t) =
        (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    ssize_t some = allowed(fd, size);
    return some < 0 ? some : really(fd, from, (size_t)some, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
{
    ssize_t (*really)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    ssize_t some = allowed(fd, size);
    return some < 0 ? some : really(fd, from, (size_t)some, at);
}

ssize_t write(int fd, const void *from, size_t size)
{
    ssize_t (*really)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    ssize_t some = allowed(fd, size);
    return some < 0 ? some : really(fd, from, (size_t)some);
}
