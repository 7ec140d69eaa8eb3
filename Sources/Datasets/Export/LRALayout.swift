import Tokenizers

/// The files of LRA's release for one task.
protocol LRALayout {
  /// Where the files lie below the folder of the layouts.
  var place: String { get }
  /// Writes them.
  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile]
}

extension LRALayout {
  fileprivate func write(_ source: ExportSource, below root: String) throws -> ExportResult {
    let folder = try PublishedFolder("\(root)/\(place)")
    let files = try files(source, in: folder)
    try folder.finish()
    return ExportResult(
      format: .lra, folder: folder.path, examples: source.count, files: files)
  }
}

/// The layout of a dataset, and where it goes.
struct LRAExport {
  private let layout: any LRALayout
  private let root: String

  /// - Throws: `usage` when LRA's release has nothing like it.
  init(_ source: ExportSource, _ root: String) throws {
    self.root = root
    guard let layout = source.dataset.taskDescription.layout else {
      throw DatasetError.noLayout(source.dataset.name, task: source.dataset.task)
    }
    self.layout = layout(source)
  }

  func run(_ source: ExportSource) throws -> ExportResult {
    try layout.write(source, below: root)
  }
}

/// `listops-1000/basic_{train,val,test}.tsv`: columns Source and Target, line ends CRLF as Python's csv writes.
struct ListOpsLayout: LRALayout {
  let place = "listops-1000"

  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile] {
    try source.readers.map { reader in
      let split = reader.split == "validation" ? "val" : reader.split
      return try folder.write("basic_\(split).tsv") { sink in
        var text = Array("Source\tTarget\r\n".utf8)
        try source.forEach(reader) { position in
          try reader.withSymbols(at: position) { ListOpsLayout.append($0, to: &text) }
          text += "\t\(source.label(reader, position))\r\n".utf8
          if text.count > 1 << 20 {
            try sink.write(text)
            text.removeAll(keepingCapacity: true)
          }
        }
        try sink.write(text)
      }
    }
  }

  private static let tokens = ListOpsVocabulary.tokens.map { Array($0.utf8) }

  /// Appends an expression in LRA's form: an operator takes its arguments one by one, each step and the
  /// closing bracket in parentheses: `( ( ( [MAX 4 ) 1 ) ] )`.
  static func append(_ symbols: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
    let close = ListOpsVocabulary.close
    let space = UInt8(ascii: " ")
    var arguments = [Int](repeating: 0, count: symbols.count)  // by place of the operator
    var open: [Int] = []
    for (place, symbol) in symbols.enumerated() {
      if symbol == close {
        _ = open.popLast()
      } else {
        if let parent = open.last { arguments[parent] += 1 }
        if symbol >= ListOpsVocabulary.minimum { open.append(place) }
      }
    }
    var depth = 0
    for (place, symbol) in symbols.enumerated() {
      if symbol != close && symbol >= ListOpsVocabulary.minimum {
        for _ in 0...arguments[place] {
          text.append(UInt8(ascii: "("))
          text.append(space)
        }
        depth += 1
        text += tokens[Int(symbol)]
        text.append(space)
        continue
      }
      text += tokens[Int(symbol)]
      text.append(space)
      if symbol == close { depth -= 1 }
      for _ in 0..<((symbol == close ? 1 : 0) + (depth > 0 ? 1 : 0)) {
        text.append(UInt8(ascii: ")"))
        text.append(space)
      }
    }
    _ = text.popLast()  // the last space
  }
}

/// `pathfinder32/curv_contour_length_14/{imgs/K/sample_N.png, metadata/K.npy}`, a thousand images per K.
///
/// Metadata is text, one line per image, as in the release. Images are numbered through train, validation
/// and test, so a reader that takes the first 80 % for training gets our splits; `labels.csv` says them.
struct PathfinderLayout: LRALayout {
  let place: String
  private let configuration: PathfinderConfiguration

  init(_ source: ExportSource) {
    let parameters = source.parameters
    var configuration = PathfinderConfiguration()
    if case .integer(let size) = parameters["size"] { configuration.size = size }
    if case .integer(let length) = parameters["contour_length"] {
      configuration.difficulty =
        PathfinderConfiguration.Difficulty.allCases.first { $0.contourLength == length } ?? .hard
    }
    self.configuration = configuration
    let folder =
      configuration.difficulty == .easy
      ? "curv_baseline" : "curv_contour_length_\(configuration.contourLength)"
    place = "pathfinder\(configuration.size)/\(folder)"
  }

  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile] {
    var files: [PublishedFile] = []
    var metadata: [String] = []
    var labels = "path,label,split\n"
    var number = 0
    let encoder = try ExportSource.encoder()
    func writeMetadata() throws {
      guard !metadata.isEmpty else { return }
      files.append(
        try folder.write("metadata/\((number - 1) / 1000).npy") { sink in
          try sink.write(Array((metadata.joined(separator: "\n") + "\n").utf8))
        })
      metadata = []
    }
    for reader in source.readers {
      try source.forEach(reader) { position in
        let (batch, image) = (number / 1000, number % 1000)
        let file = "sample_\(image).png"
        try source.withPNG(reader, position, encoder) { png, mask in
          files.append(try folder.write("imgs/\(batch)/\(file)") { try $0.write(png) })
          guard let mask else { return }
          files.append(try folder.write("seg/\(batch)/\(file)") { try $0.write(mask) })
        }
        let label = source.label(reader, position)
        metadata.append(
          row("imgs/\(batch) \(file) \(image) \(label)", meta: reader.meta(at: position) ?? ""))
        labels += "imgs/\(batch)/\(file),\(label),\(reader.split)\n"
        number += 1
        if number % 1000 == 0 { try writeMetadata() }
      }
    }
    try writeMetadata()
    files.append(try folder.write("labels.csv") { try $0.write(Array(labels.utf8)) })
    return files
  }

  /// A line of metadata: continuity, dashes of target and distractor, length, thickness and margin of a
  /// dash, and the number of contrasts follow the label.
  private func row(_ head: String, meta: String) -> String {
    guard let geometry = configuration.geometry else { return head }
    let margin = meta.firstMatch(of: /"margin":(\d+)/).map { String($0.1) } ?? "1"
    let thickness =
      geometry.lineWidth % 2 == 0
      ? "\(geometry.lineWidth / 2)" : "\(Double(geometry.lineWidth) / 2)"
    return "\(head) \(geometry.continuity) \(configuration.contourLength) "
      + "\(configuration.distractorLength) \(geometry.paddleLength) \(thickness) \(margin) 1"
  }
}

/// `image/SPLIT/000123.png` with `labels.csv`: the release has no images, TFDS supplies them.
struct ImageLayout: LRALayout {
  let place = "image"

  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile] {
    var files: [PublishedFile] = []
    var labels = "path,label,split\n"
    let encoder = try ExportSource.encoder()
    for reader in source.readers {
      try source.forEach(reader) { position in
        let file = "\(reader.split)/\(TarHeader.number(position)).png"
        try source.withPNG(reader, position, encoder) { png, _ in
          files.append(try folder.write(file) { try $0.write(png) })
        }
        labels += "\(file),\(source.label(reader, position)),\(reader.split)\n"
      }
    }
    files.append(try folder.write("labels.csv") { try $0.write(Array(labels.utf8)) })
    return files
  }
}

/// `aclImdb/{train,test}/{pos,neg}/ID_RATING.txt`, and `labels.csv` with our splits.
struct ReviewLayout: LRALayout {
  let place = "aclImdb"

  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile] {
    var files: [PublishedFile] = []
    var written: Set<String> = []
    var labels = "path,label,split\n"
    let isReleased = source.parameters["protocol"] == .string(SplitProtocol.released.rawValue)
    for reader in source.readers {
      // With the released protocol the validation reviews are those of the test set.
      let part = reader.split == "test" || isReleased && reader.split == "validation"
      try source.forEach(reader) { position in
        let label = source.label(reader, position)
        let kind = label < 0 ? "unsup" : label == 1 ? "pos" : "neg"
        let file = "\(part ? "test" : "train")/\(kind)/\(name(reader, position)).txt"
        if written.insert(file).inserted {
          try reader.withSymbols(at: position) { text in
            files.append(try folder.write(file) { try $0.write(text) })
          }
        }
        labels += "\(file),\(label < 0 ? "" : "\(label)"),\(reader.split)\n"
      }
    }
    files.append(try folder.write("labels.csv") { try $0.write(Array(labels.utf8)) })
    return files
  }

  private func name(_ reader: SplitReader, _ position: Int) -> String {
    let meta = reader.meta(at: position) ?? ""
    guard let match = meta.firstMatch(of: /"rating":(\d+),"review_id":(\d+)/) else {
      return "\(position)_0"
    }
    return "\(match.2)_\(match.1)"
  }
}

/// `tsv_data/new_aan_pairs.{train,eval,test}.tsv`: label as a float, two ids, two texts.
struct PairLayout: LRALayout {
  let place = "tsv_data"

  func files(_ source: ExportSource, in folder: PublishedFolder) throws -> [PublishedFile] {
    try source.readers.filter(\.isPairs).map { reader in
      let split = reader.split == "validation" ? "eval" : reader.split
      return try folder.write("new_aan_pairs.\(split).tsv") { sink in
        try source.forEach(reader) { position in
          let places = try reader.documentPositions(at: position)
          let ids = [places.first, places.second].map { id(reader.documents, $0) }
          try reader.withParts(at: position) { texts in
            try sink.write(
              Array("\(source.label(reader, position)).0\t\(ids[0])\t\(ids[1])\t".utf8))
            try sink.write(texts[0])
            try sink.write([UInt8(ascii: "\t")])
            try sink.write(texts[1])
            try sink.write([UInt8(ascii: "\n")])
          }
        }
      }
    }
  }

  private func id(_ documents: SplitReader?, _ position: Int) -> String {
    let meta = documents?.meta(at: position).flatMap(CanonicalJSON.decode)
    return if case .string(let id) = meta?["id"] { id } else { "\(position)" }
  }
}
