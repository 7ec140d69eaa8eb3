/// A Croissant description (MLCommons, format 1.1) with everything that it describes.
///
/// `croissant.json` names every file with size and SHA-256: the shards with their side tables as they lie
/// beside the database, and per split a table `SPLIT.tsv` that Croissant's tools can read: `position`,
/// `label` (unless the split has none) and `tokens`, the ids separated by spaces; for images `file`, the
/// member of the tar shard; for pairs `document1` and `document2`, positions in the split `documents`.
struct CroissantExport {
  private let source: ExportSource
  private let folder: PublishedFolder

  init(_ source: ExportSource, _ path: String) throws {
    self.source = source
    folder = try PublishedFolder(path)
  }

  func run() throws -> ExportResult {
    var files: [PublishedFile] = []
    var objects: [JSONValue] = []
    var records: [JSONValue] = []
    for reader in source.readers {
      let shards = try reader.shardRecords.flatMap { shard in
        try [shard.path, shard.sideTablePath].map { path in
          (shard, try copy(path))
        }
      }
      let table = try table(reader)
      for (shard, file) in shards {
        let isTable = file.path.hasSuffix(".tsv")
        objects.append(
          object(
            file,
            encoding: isTable
              ? "text/tab-separated-values"
              : shard.encoding == "png" ? "application/x-tar" : "application/octet-stream"))
      }
      objects.append(object(table, encoding: "text/tab-separated-values"))
      files += shards.map(\.1) + [table]
      let tars = shards.map(\.1).filter { $0.path.hasSuffix(".tar") }
      if !tars.isEmpty { objects += images(reader, tars) }
      records += recordSets(reader, hasImages: !tars.isEmpty)
    }
    let description = description(objects, records)
    files.append(try folder.write("croissant.json") { try $0.write(Array(description.utf8)) })
    try folder.finish()
    return ExportResult(
      format: .croissant, folder: folder.path, examples: source.count, files: files)
  }

  // MARK: Files

  /// Shards lie in a folder that no other content has: mlcroissant keeps what it unpacks by the name of the
  /// file alone.
  private var shardFolder: String {
    "\(source.dataset.name)-\(Digest.hex(source.dataset.contentDigest ?? []).prefix(12))"
  }

  private func copy(_ path: String) throws -> PublishedFile {
    let file = try PlainFile(source.store.file(path))
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return try folder.write("\(shardFolder)/\(name)") { sink in
      try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
        while true {
          let count = try file.read(into: buffer)
          if count == 0 { return }
          try sink.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
      }
    }
  }

  private func isLabelled(_ reader: SplitReader) -> Bool { reader.labels.contains { $0 >= 0 } }

  /// The columns that say what an example is.
  private func columns(_ reader: SplitReader) -> [String] {
    reader.isPairs
      ? ["document1", "document2"] : [reader.form.isArray ? "tokens" : "file"]
  }

  private func table(_ reader: SplitReader) throws -> PublishedFile {
    let isLabelled = isLabelled(reader)
    let header = ["position"] + (isLabelled ? ["label"] : []) + columns(reader)
    return try folder.write("\(reader.split).tsv") { sink in
      var text = Array((header.joined(separator: "\t") + "\n").utf8)
      try source.forEach(reader) { position in
        text += "\(position)\t".utf8
        if isLabelled { text += "\(source.label(reader, position))\t".utf8 }
        if reader.isPairs {
          let places = try reader.documentPositions(at: position)
          text += "\(places.first)\t\(places.second)".utf8
        } else if !reader.form.isArray {
          try reader.withStored(at: position) { _, _, _ in }
          text += "\(TarHeader.number(position)).png".utf8
        } else {
          try reader.withSymbols(at: position) { CroissantExport.append($0, to: &text) }
        }
        text.append(UInt8(ascii: "\n"))
        if text.count > 1 << 20 {
          try sink.write(text)
          text.removeAll(keepingCapacity: true)
        }
      }
      try sink.write(text)
    }
  }

  private static func append(_ symbols: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
    for (place, symbol) in symbols.enumerated() {
      if place > 0 { text.append(UInt8(ascii: " ")) }
      let id = UInt16(symbol) + 1
      if id >= 100 { text.append(UInt8(48 + id / 100)) }
      if id >= 10 { text.append(UInt8(48 + id / 10 % 10)) }
      text.append(UInt8(48 + id % 10))
    }
  }

  // MARK: Description

  /// The place of a file in the folder.
  private func name(of file: PublishedFile) -> String {
    String(file.path.dropFirst(folder.path.count + 1))
  }

  private func object(_ file: PublishedFile, encoding: String) -> JSONValue {
    let name = name(of: file)
    return [
      "@type": "cr:FileObject", "@id": .string(name), "name": .string(name),
      "contentUrl": .string(name), "contentSize": .string("\(file.bytes) B"),
      "encodingFormat": .string(encoding), "sha256": .string(Digest.hex(file.sha256)),
    ]
  }

  /// The images in the tar shards of a split, and their masks.
  private func images(_ reader: SplitReader, _ tars: [PublishedFile]) -> [JSONValue] {
    let contained = JSONValue.array(
      tars.map { ["@id": .string(name(of: $0))] })
    func set(_ name: String, _ pattern: String) -> JSONValue {
      [
        "@type": "cr:FileSet", "@id": .string(name), "name": .string(name),
        "containedIn": contained, "encodingFormat": "image/png", "includes": .string(pattern),
      ]
    }
    // Masks are `000123.seg.png`: no digit stands before the ending.
    let all = set("\(reader.split)-images", "*[0-9].png")
    return reader.hasMasks ? [all, set("\(reader.split)-masks", "*.seg.png")] : [all]
  }

  /// The examples of a split: label and tokens, or label and image.
  ///
  /// mlcroissant cannot join a table with one of two file sets of an archive, so image and mask are
  /// record sets of their own when there are masks; `file` says what belongs together.
  private func recordSets(_ reader: SplitReader, hasImages: Bool) -> [JSONValue] {
    let split = reader.split
    let table = { (name: String) in
      JSONValue.object([
        "fileObject": ["@id": .string("\(split).tsv")], "extract": ["column": .string(name)],
      ])
    }
    let member = { (set: String, property: String) in
      JSONValue.object([
        "fileSet": ["@id": .string("\(split)-\(set)")],
        "extract": ["fileProperty": .string(property)],
      ])
    }
    var fields = [field(split, "position", "sc:Integer", table("position"))]
    if isLabelled(reader) { fields.append(field(split, "label", "sc:Integer", table("label"))) }
    guard hasImages else {
      fields += columns(reader).map {
        field(split, $0, $0 == "tokens" ? "sc:Text" : "sc:Integer", table($0))
      }
      return [set(of: reader, split, fields)]
    }
    guard reader.hasMasks else {
      fields += [
        field(split, "file", "sc:Text", member("images", "filename"), references: table("file")),
        field(split, "image", "sc:ImageObject", member("images", "content")),
      ]
      return [set(of: reader, split, fields)]
    }
    fields.append(field(split, "file", "sc:Text", table("file")))
    return [set(of: reader, split, fields)]
      + ["image", "mask"].map { kind in
        let name = "\(split)-\(kind)"
        return set(
          of: reader, name,
          [
            field(name, "file", "sc:Text", member(kind + "s", "filename")),
            field(name, kind, "sc:ImageObject", member(kind + "s", "content")),
          ])
      }
  }

  private func set(of reader: SplitReader, _ name: String, _ fields: [JSONValue]) -> JSONValue {
    [
      "@type": "cr:RecordSet", "@id": .string(name), "name": .string(name),
      "description": .string("The \(reader.count.grouped) examples of the split \(reader.split)."),
      "field": .array(fields),
    ]
  }

  private func field(
    _ set: String, _ name: String, _ type: String, _ source: JSONValue,
    references: JSONValue? = nil
  ) -> JSONValue {
    var members: [String: JSONValue] = [
      "@type": "cr:Field", "@id": .string("\(set)/\(name)"), "name": .string(name),
      "dataType": .string(type), "source": source,
    ]
    if let references { members["references"] = references }
    return .object(members)
  }

  private func description(_ objects: [JSONValue], _ records: [JSONValue]) -> String {
    let digest = Digest.hex(source.dataset.contentDigest ?? [])
    let task = source.dataset.taskDescription
    let value: JSONValue = [
      "@context": CroissantExport.context, "@type": "sc:Dataset",
      "conformsTo": "http://mlcommons.org/croissant/1.1", "name": .string(source.dataset.name),
      "description": .string(
        "Long Range Arena, task \(source.dataset.task), parameters \(source.dataset.config)"
          + (source.dataset.seed.map { ", seed \($0)" } ?? "") + ", content digest \(digest)."),
      "license": .string(task.licence), "citeAs": .string(task.citation),
      "url": "https://github.com/google-research/long-range-arena",
      "version": .string("\(source.dataset.generatorVersion).0.0"),
      "distribution": .array(objects), "recordSet": .array(records),
    ]
    return value.text + "\n"
  }

  /// The names that format 1.1 prescribes.
  private static let context: JSONValue = [
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "data": ["@id": "cr:data", "@type": "@json"],
    "dataType": ["@id": "cr:dataType", "@type": "@vocab"],
    "description": ["@container": "@language"], "equivalentProperty": "cr:equivalentProperty",
    "examples": ["@id": "cr:examples", "@type": "@json"], "extract": "cr:extract",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": ["@container": "@language"],
    "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "separator": "cr:separator",
    "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
  ]
}

/// A JSON value whose text does not depend on anything but itself.
indirect enum JSONValue: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral {
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init(stringLiteral value: String) { self = .string(value) }

  init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(elements) { $1 })
  }

  /// Two spaces per level, keys by their bytes.
  var text: String { text(indent: "") }

  private func text(indent: String) -> String {
    let inner = indent + "  "
    switch self {
    case .string(let string): return CanonicalJSON.quoted(string)
    case .array(let values):
      return "[\n" + values.map { inner + $0.text(indent: inner) }.joined(separator: ",\n")
        + "\n\(indent)]"
    case .object(let members):
      let lines = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map {
        "\(inner)\(CanonicalJSON.quoted($0.key)): \($0.value.text(indent: inner))"
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    }
  }
}
