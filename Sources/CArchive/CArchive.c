#include "CArchive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lra_archive {
  struct archive *archive;
  lra_archive_read read;
  void *context;
};

static _Thread_local char opening_error[256];

static la_ssize_t read_block(struct archive *archive, void *context, const void **bytes) {
  lra_archive *self = context;
  ssize_t count = self->read(self->context, bytes);
  if (count < 0) archive_set_error(archive, EIO, "the file cannot be read");
  return count;
}

static void set_opening_error(const char *text) {
  strncpy(opening_error, text ? text : "no memory", sizeof opening_error - 1);
}

lra_archive *lra_archive_open(lra_archive_read read, void *context, int plain) {
  lra_archive *self = calloc(1, sizeof *self);
  if (!self) return set_opening_error(NULL), NULL;
  self->read = read;
  self->context = context;
  struct archive *a = self->archive = archive_read_new();
  if (!a) return free(self), set_opening_error(NULL), NULL;
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_zstd(a);
  archive_read_support_format_tar(a);
  archive_read_support_format_zip_streamable(a);
  if (plain) archive_read_support_format_raw(a);
  if (archive_read_open(a, self, NULL, read_block, NULL) != ARCHIVE_OK) {
    set_opening_error(archive_error_string(a));
    lra_archive_close(self);
    return NULL;
  }
  return self;
}

void lra_archive_close(lra_archive *self) {
  if (!self) return;
  archive_read_free(self->archive);
  free(self);
}

int lra_archive_next(lra_archive *self, lra_member *member) {
  struct archive_entry *entry;
  int status = archive_read_next_header(self->archive, &entry);
  if (status == ARCHIVE_EOF) return 0;
  if (status < ARCHIVE_WARN) return -1;
  member->plain = archive_format(self->archive) == ARCHIVE_FORMAT_RAW;
  if (member->plain && archive_filter_count(self->archive) < 2) {
    archive_set_error(self->archive, EINVAL, "Unrecognized archive format");
    return -1;
  }
  member->path = archive_entry_pathname_utf8(entry);
  if (!member->path) member->path = archive_entry_pathname(entry);
  if (!member->path) member->path = "";
  member->size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
  int type = archive_entry_filetype(entry);
  member->kind = archive_entry_hardlink(entry) ? LRA_MEMBER_OTHER
    : type == AE_IFREG                         ? LRA_MEMBER_FILE
    : type == AE_IFDIR                         ? LRA_MEMBER_FOLDER
                                               : LRA_MEMBER_OTHER;
  return 1;
}

ssize_t lra_archive_data(lra_archive *self, void *buffer, size_t capacity) {
  la_ssize_t count = archive_read_data(self->archive, buffer, capacity);
  return count < 0 ? -1 : count;
}

int64_t lra_archive_inflated(lra_archive *self) { return archive_filter_bytes(self->archive, 0); }

const char *lra_archive_error(lra_archive *self) {
  if (!self) return opening_error;
  const char *text = archive_error_string(self->archive);
  return text ? text : "unknown error";
}
