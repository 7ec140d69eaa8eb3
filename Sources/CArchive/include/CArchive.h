#ifndef CARCHIVE_H
#define CARCHIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Reading archives member by member through libarchive: tar and zip, plain or compressed with gzip, bzip2,
// xz or zstd. Nothing is written to disk and no path is followed.

/// An open archive. For one thread at a time.
typedef struct lra_archive lra_archive;

/// Gives the next bytes of the archive's file: sets *bytes and returns their number, 0 at the end, less
/// than 0 on failure.
typedef ssize_t (*lra_archive_read)(void *context, const void **bytes);

/// What kind of member it is.
enum { LRA_MEMBER_FILE = 0, LRA_MEMBER_FOLDER = 1, LRA_MEMBER_OTHER = 2 };

/// A member's header. The path is valid until the next call.
typedef struct {
  const char *path;
  int kind;
  /// 1 for the one content of a file that is compressed and no archive; its path says nothing.
  int plain;
  /// -1 when the archive does not say it.
  int64_t size;
} lra_member;

/// NULL when there is no memory or the bytes are no archive; then lra_archive_error(NULL) says why. With
/// plain a compressed file that holds no archive has one member, its content.
lra_archive *lra_archive_open(lra_archive_read read, void *context, int plain);
void lra_archive_close(lra_archive *archive);

/// Goes to the next member. Returns 1, 0 at the end, -1 on failure.
int lra_archive_next(lra_archive *archive, lra_member *member);

/// Reads from the current member into a buffer. Returns how many bytes, 0 at its end, -1 on failure.
ssize_t lra_archive_data(lra_archive *archive, void *buffer, size_t capacity);

/// Bytes that came out of decompression so far.
int64_t lra_archive_inflated(lra_archive *archive);

/// What went wrong last.
const char *lra_archive_error(lra_archive *archive);

#endif
