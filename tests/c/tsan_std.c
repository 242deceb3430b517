// What ThreadSanitizer has to know about the Rust standard library, which no toolchain ships with the sanitizer in it.
//
// A mutex is locked by code that the sanitizer sees, but for the case that another thread has it; a condition variable
// unlocks and locks it unseen. The linker puts these functions around the three (run.sh, `std_flags`); without them, every
// lock that had to be waited for would look like a race.

#include <stdbool.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

// The names are mangled, so run.sh finds them and defines LOCK, WAIT and WAIT_TIMEOUT.
#define JOIN(a, b) a##b
#define PUT(a, b) JOIN(a, b)
#define REAL(name) PUT(__real_, name)
#define WRAP(name) PUT(__wrap_, name)

void REAL(LOCK)(void *mutex);
void REAL(WAIT)(void *condvar, void *mutex);
bool REAL(WAIT_TIMEOUT)(void *condvar, void *mutex, uint64_t seconds, uint32_t nanoseconds);

void WRAP(LOCK)(void *mutex) {
    REAL(LOCK)(mutex);
    __tsan_acquire(mutex);
}

void WRAP(WAIT)(void *condvar, void *mutex) {
    __tsan_release(mutex);
    REAL(WAIT)(condvar, mutex);
    __tsan_acquire(mutex);
}

bool WRAP(WAIT_TIMEOUT)(void *condvar, void *mutex, uint64_t seconds, uint32_t nanoseconds) {
    __tsan_release(mutex);
    bool notified = REAL(WAIT_TIMEOUT)(condvar, mutex, seconds, nanoseconds);
    __tsan_acquire(mutex);
    return notified;
}
