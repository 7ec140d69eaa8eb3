/// Tar shards as webdataset reads them: `SPLIT-00000.tar` with 4,096 examples each.
///
/// Images are `000123.png` (masks `000123.seg.png`) with `000123.cls`; sequences are `000123.npy`, the stored
/// symbols (id - 1) as one-dimensional uint8; pairs are `000123.document1.npy` and `000123.document2.npy`.
/// `000123.json` holds the meta text of examples that have one.
struct WebDatasetExport {
  private let source: ExportSource
  private let folder: PublishedFolder

  init(_ source: ExportSource, _ path: String) throws {
    self.source = source
    folder = try PublishedFolder(path)
  }

  func run() throws -> ExportResult {
    let encoder = try ExportSource.encoder()
    var files: [PublishedFile] = []
    for reader in source.readers {
      for (number, first) in stride(from: 0, to: reader.count, by: 4096).enumerated() {
        let name = "\(reader.split)-\(TarHeader.number(number, digits: 5)).tar"
        files.append(
          try folder.write(name) { sink in
            let range = first..<min(first + 4096, reader.count)
            try source.forEach(reader, in: range) { position in
              try add(reader, position, encoder, to: &sink)
            }
            try sink.write([UInt8](repeating: 0, count: 2 * TarHeader.blockBytes))
          })
      }
    }
    try folder.finish()
    return ExportResult(
      format: .webdataset, folder: folder.path, examples: source.count, files: files)
  }

  private func add(
    _ reader: SplitReader, _ position: Int, _ encoder: PNGEncoder, to sink: inout Publication.Sink
  ) throws {
    let key = TarHeader.number(position)
    if reader.isPairs {
      try reader.withParts(at: position) { documents in
        for (number, document) in documents.enumerated() {
          try array("\(key).document\(number + 1).npy", document, to: &sink)
        }
      }
    } else if reader.symbols.imageSize != nil {
      try source.withPNG(reader, position, encoder) { png, mask in
        try WebDatasetExport.member(key + ".png", png, to: &sink)
        if let mask { try WebDatasetExport.member(key + ".seg.png", mask, to: &sink) }
      }
    } else {
      try reader.withSymbols(at: position) { try array(key + ".npy", $0, to: &sink) }
    }
    let label = source.label(reader, position)
    if label >= 0 { try WebDatasetExport.member(key + ".cls", "\(label)", to: &sink) }
    if let meta = reader.meta(at: position) {
      try WebDatasetExport.member(key + ".json", meta, to: &sink)
    }
  }

  private func array(
    _ name: String, _ symbols: UnsafeBufferPointer<UInt8>, to sink: inout Publication.Sink
  ) throws {
    let file = NpyHeader.header(count: symbols.count) + symbols
    try file.withUnsafeBufferPointer { try WebDatasetExport.member(name, $0, to: &sink) }
  }

  private static func member(
    _ name: String, _ text: String, to sink: inout Publication.Sink
  ) throws {
    var text = text
    try text.withUTF8 { try member(name, $0, to: &sink) }
  }

  private static func member(
    _ name: String, _ content: UnsafeBufferPointer<UInt8>, to sink: inout Publication.Sink
  ) throws {
    try sink.write(TarHeader.header(name, bytes: content.count))
    try sink.write(content)
    try sink.write([UInt8](repeating: 0, count: TarHeader.padding(after: content.count)))
  }
}
