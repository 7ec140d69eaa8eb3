import Foundation
import Testing
import Tokenizers

@testable import Datasets

private func names(_ folder: String) throws -> [String] {
  try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
}

private func text(_ path: String) throws -> String {
  try String(contentsOfFile: path, encoding: .utf8)
}

@Suite struct ExportTests {
  @Test("an expression has LRA's parentheses, and reading it back gives the symbols")
  func expression() throws {
    let symbols = try #require(ListOpsVocabulary.symbols(of: "[MAX 4 [MIN 2 3 ] 1 ]"))
    var line: [UInt8] = []
    symbols.withUnsafeBufferPointer { ListOpsLayout.append($0, to: &line) }
    let form = String(decoding: line, as: UTF8.self)
    #expect(form == "( ( ( ( [MAX 4 ) ( ( ( [MIN 2 ) 3 ) ] ) ) 1 ) ] )")
    #expect(ListOpsVocabulary.symbols(of: form) == symbols)
    line = []
    [UInt8(7)].withUnsafeBufferPointer { ListOpsLayout.append($0, to: &line) }
    #expect(String(decoding: line, as: UTF8.self) == "7")
  }

  @Test("the LRA layout of ListOps holds every example in order, with CRLF and header")
  func listOps() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let result = try folder.store.export("small", as: .lra, to: folder.path + "/out")
    #expect(result.examples == 120)
    #expect(
      try names(folder.path + "/out") == [
        "listops-1000", "listops-1000/basic_test.tsv", "listops-1000/basic_train.tsv",
        "listops-1000/basic_val.tsv",
      ])
    for (split, file) in [("train", "train"), ("validation", "val"), ("test", "test")] {
      let path = folder.path + "/out/listops-1000/basic_\(file).tsv"
      var lines = try text(path).components(separatedBy: "\r\n")
      #expect(lines.removeFirst() == "Source\tTarget" && lines.removeLast().isEmpty)
      let reader = try folder.store.open(dataset: "small", split: split)
      #expect(lines.count == reader.count)
      for (position, line) in lines.enumerated() {
        let fields = line.components(separatedBy: "\t")
        #expect(Int32(fields[1]) == reader.labels[position])
        try reader.withSymbols(at: position) {
          #expect(ListOpsVocabulary.symbols(of: fields[0]) == Array($0))
        }
      }
    }
    let published = try #require(result.files.first)
    #expect(
      Digest.sha256(try Data(contentsOf: URL(fileURLWithPath: published.path))) == published.sha256)
  }

  @Test("the LRA layout of Pathfinder: images as stored, metadata as in the release")
  func pathfinder() throws {
    let folder = try TemporaryFolder()
    let splits = SplitSize.standard(train: 1003, validation: 5, test: 4)
    _ = try folder.store.generate(PathfinderConfiguration(size: 32), name: "pf", splits: splits)
    _ = try folder.store.export("pf", as: .lra, to: folder.path)
    let root = folder.path + "/pathfinder32/curv_contour_length_14"
    let metadata = try text(root + "/metadata/1.npy")
    let lines = metadata.split(separator: "\n")
    #expect(lines.count == 12 && metadata.hasSuffix("\n"))
    let reader = try folder.store.open(dataset: "pf", split: "train")
    #expect(lines[2] == "imgs/1 sample_2.png 2 \(reader.labels[1002]) 1.0 14 4 2 0.5 1 1")
    let image = try Data(contentsOf: URL(fileURLWithPath: root + "/imgs/1/sample_2.png"))
    try reader.withStored(at: 1002) { png, _, _ in #expect(Array(image) == Array(png)) }
    let labels = try text(root + "/labels.csv").split(separator: "\n")
    #expect(labels[0] == "path,label,split" && labels.count == 1013)
    #expect(labels[1004].hasPrefix("imgs/1/sample_3.png,") && labels[1004].hasSuffix(",validation"))
  }

  @Test("webdataset shards: members, keys and symbols of every example")
  func webdataset() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let result = try folder.store.export("small", as: .webdataset, to: folder.path + "/wds")
    #expect(
      try names(folder.path + "/wds") == [
        "test-00000.tar", "train-00000.tar", "validation-00000.tar",
      ])
    #expect(result.files.count == 3)
    let reader = try folder.store.open(dataset: "small", split: "train")
    var seen: [String: [UInt8]] = [:]
    let source = SourceReader(
      [folder.path + "/wds/train-00000.tar"], isCancelled: { false }
    ) { _, _ in }
    try source.forEachFile { seen[$0.path] = try $0.contents() }
    #expect(seen.count == 140)
    for position in 0..<reader.count {
      let key = String(repeating: "0", count: 6 - "\(position)".count) + "\(position)"
      #expect(seen[key + ".cls"] == Array("\(reader.labels[position])".utf8))
      try reader.withSymbols(at: position) { symbols in
        #expect(seen[key + ".npy"] == NpyHeader.header(count: symbols.count) + Array(symbols))
      }
    }
  }

  @Test("croissant names every file with size and digest, and its tables hold every example")
  func croissant() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let result = try folder.store.export("small", as: .croissant, to: folder.path + "/c")
    let json = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: folder.path + "/c/croissant.json")))
        as? [String: Any])
    let objects = try #require(json["distribution"] as? [[String: Any]])
    #expect(objects.count == result.files.count - 1)  // all but itself
    for object in objects {
      let name = try #require(object["contentUrl"] as? String)
      let data = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/c/" + name))
      #expect(object["contentSize"] as? String == "\(data.count) B")
      #expect(object["sha256"] as? String == Digest.hex(Digest.sha256(data)))
    }
    let reader = try folder.store.open(dataset: "small", split: "test")
    let lines = try text(folder.path + "/c/test.tsv").split(separator: "\n")
    #expect(lines[0] == "position\tlabel\ttokens" && lines.count == reader.count + 1)
    for position in 0..<reader.count {
      try reader.withSymbols(at: position) { symbols in
        let tokens = symbols.map { "\(Int($0) + 1)" }.joined(separator: " ")
        #expect(lines[position + 1] == "\(position)\t\(reader.labels[position])\t\(tokens)")
      }
    }
    let again = try folder.store.export("small", as: .croissant, to: folder.path + "/d")
    #expect(again.files.map(\.sha256) == result.files.map(\.sha256))
  }

  @Test("nothing is left of an export that was stopped, met damage, or had no room of its own")
  func stopped() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let options = ExportOptions()
    options.cancellation.cancel()
    let before = try names(folder.path)
    let stopped = Small.error {
      _ = try folder.store.export(
        "small", as: .webdataset, to: folder.path + "/out", options: options)
    }
    #expect(stopped?.code == .interrupted)
    #expect(try names(folder.path) == before)
    try FileManager.default.createDirectory(
      atPath: folder.path + "/out/kept", withIntermediateDirectories: true)
    let taken = Small.error {
      _ = try folder.store.export("small", as: .webdataset, to: folder.path + "/out")
    }
    #expect(taken?.code == .usage)
    try ReaderTests.flip(folder.path + "/data/small/test-00000.npy", at: 200)
    let damaged = Small.error {
      _ = try folder.store.export("small", as: .webdataset, to: folder.path + "/w")
    }
    #expect(damaged?.code == .checksumMismatch)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/w"))
  }

  @Test("a manifest of converted data builds exactly it from its archive, and says what it needs")
  func manifest() throws {
    let folder = try TemporaryFolder()
    let archive = try IMDbTests.archive(folder)
    _ = try folder.store.convert(IMDb(), from: [archive])
    let manifest = try Manifest(of: "text", in: folder.store)
    #expect(manifest.sources.map(\.name) == ["aclImdb.tar"])
    let other = try TemporaryFolder()
    let built = try other.store.build(manifest, path: "m.json", from: [archive])
    #expect(built.manifestMatch == true)
    let error = Small.error { _ = try other.store.build(manifest, path: "m.json", name: "x") }
    #expect(
      error?.message == "m.json describes converted data: it needs aclImdb.tar")
  }
}
