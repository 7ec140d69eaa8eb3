/// The tables of the index, format 1.
enum Schema {
  /// `LRAD`: tells our databases from those of other programs.
  static let applicationID = 0x4C52_4144
  /// The format that this version reads and writes.
  static let version = 1

  static let statements = """
    PRAGMA application_id=0x4C524144; PRAGMA user_version=1;
    CREATE TABLE dataset(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
     config TEXT NOT NULL, config_sha256 BLOB NOT NULL, seed INTEGER,
     generator_version INTEGER NOT NULL, content_digest BLOB,
     complete INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE source(dataset_id INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
     name TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,
     PRIMARY KEY(dataset_id,name)) STRICT, WITHOUT ROWID;
    CREATE TABLE split(id INTEGER PRIMARY KEY,
     dataset_id INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE, name TEXT NOT NULL,
     ordinal INTEGER NOT NULL, count INTEGER NOT NULL, content_digest BLOB,
     UNIQUE(dataset_id,name)) STRICT;
    CREATE TABLE shard(id INTEGER PRIMARY KEY,
     split_id INTEGER NOT NULL REFERENCES split ON DELETE CASCADE, ordinal INTEGER NOT NULL,
     path TEXT NOT NULL UNIQUE, encoding TEXT NOT NULL CHECK(encoding IN('u8','png')),
     first INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,
     meta_bytes INTEGER NOT NULL, meta_sha256 BLOB NOT NULL, UNIQUE(split_id,ordinal)) STRICT;
    CREATE TABLE example(split_id INTEGER NOT NULL REFERENCES split ON DELETE CASCADE,
     position INTEGER NOT NULL, shard_id INTEGER NOT NULL REFERENCES shard,
     offset INTEGER NOT NULL, length INTEGER NOT NULL, label INTEGER, check64 INTEGER NOT NULL,
     meta TEXT, PRIMARY KEY(split_id,position)) STRICT, WITHOUT ROWID;
    CREATE TABLE pair(split_id INTEGER NOT NULL REFERENCES split ON DELETE CASCADE,
     position INTEGER NOT NULL, document1 INTEGER NOT NULL, document2 INTEGER NOT NULL,
     label INTEGER NOT NULL, check64 INTEGER NOT NULL,
     PRIMARY KEY(split_id,position)) STRICT, WITHOUT ROWID;
    CREATE TABLE run(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dataset TEXT NOT NULL,
     content_digest BLOB NOT NULL, recipe TEXT NOT NULL, recipe_sha256 BLOB NOT NULL,
     seed INTEGER NOT NULL, machine TEXT NOT NULL, state TEXT NOT NULL, path TEXT NOT NULL) STRICT;
    CREATE TABLE metric(run_id INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
     step INTEGER NOT NULL, split TEXT NOT NULL, name TEXT NOT NULL, value REAL,
     PRIMARY KEY(run_id,step,split,name)) STRICT, WITHOUT ROWID;
    """
}
