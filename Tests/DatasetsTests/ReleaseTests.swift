import Crypto
import Foundation
import Testing
import Tokenizers

@testable import Datasets

@Suite struct ReleaseTests {
  private func error(
    _ files: [(name: String, bytes: [UInt8])], only: [String] = []
  ) throws -> DatasetError? {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    try TestRelease.write(files, in: "", to: path)
    var release = LRARelease()
    release.only = only
    let error = Small.error { try folder.store.convertRelease(release, from: [path]) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.tar"])
    return error.map {
      DatasetError(
        $0.code, $0.message.replacing(path, with: "a.tar"), position: $0.position, next: $0.next)
    }
  }

  @Test(
    "single, doubled and no folder in front, and an unpacked folder, give the same datasets",
    arguments: ["", "lra_release/", "lra_release/lra_release/", "folder"])
  func layouts(prefix: String) throws {
    let folder = try TemporaryFolder()
    let files = try TestRelease.files()
    var path = folder.path + "/lra_release.gz"
    if prefix == "folder" {
      path = folder.path + "/unpacked"
      for (name, bytes) in files { try folder.write("unpacked/lra_release/\(name)", bytes) }
    } else {
      try TestRelease.write(files, in: prefix, to: path)
    }
    let result = try folder.store.convertRelease(
      LRARelease(), from: [path], options: Small.options(3, 5))
    #expect(result.datasets.map(\.generation.dataset) == ["listops-2k", "pathfinder32-hard"])
    #expect(result.datasets.map { $0.generation.splits.map(\.count) } == [[4, 4, 4], [16, 2, 2]])
    #expect(
      result.datasets.map { String($0.generation.contentDigest.prefix(12)) } == [
        "a0cf6fa5d58f", "77bb2ed3d150",
      ])
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("expressions are stored without parentheses, with their values as labels")
  func listOps() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    try TestRelease.write(try TestRelease.files(), in: "", to: path)
    var release = LRARelease()
    release.only = ["listops-2k"]
    let result = try folder.store.convertRelease(release, from: [path])
    #expect(result.datasets.count == 1)
    let reader = try folder.store.open(dataset: "listops-2k", split: "test")
    #expect(reader.labels == [4, 5, 4, 7])
    let texts = try (0..<4).map { position in
      try reader.withSymbols(at: position) { ListOpsVocabulary.text(of: $0) }
    }
    #expect(
      texts == ["[MAX 4 [MIN 2 3 ] 1 ]", "[SM 7 8 ]", "[MED 3 4 5 9 ]", "7"])
    let index = try Index(at: folder.store.path, .read)
    let dataset = try index.dataset(named: "listops-2k")
    #expect(dataset.config == #"{"converter":"lra-release","max_length":2000}"#)
    #expect(GenerationPlan(of: dataset, splits: try index.splits(of: dataset)) == nil)
    let again = try folder.store.convertRelease(release, from: [path])
    #expect(again.datasets.map(\.generation.state) == [.complete])
  }

  @Test("images keep their pixels; splits follow from the SHA-256 of the member paths")
  func images() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    try TestRelease.write(try TestRelease.files(), in: "lra_release/", to: path)
    _ = try folder.store.convertRelease(LRARelease(), from: [path])
    let paths = (0..<20).map { "\(TestRelease.folder)/imgs/\($0 / 10)/sample_\($0).png" }
    let order = (0..<20).sorted { one, other in
      SHA256.hash(data: Data(paths[one].utf8)).description
        < SHA256.hash(data: Data(paths[other].utf8)).description
    }
    let expected = [
      "validation": order[..<2].sorted(), "test": order[2..<4].sorted(),
      "train": order[4...].sorted(),
    ]
    for (split, numbers) in expected {
      let reader = try folder.store.open(dataset: "pathfinder32-hard", split: split)
      #expect(reader.labels == numbers.map { Int32(TestRelease.label($0)) })
      for (position, number) in numbers.enumerated() {
        #expect(
          try reader.withSymbols(at: position) { Array($0) } == TestRelease.pixels(number))
        #expect(reader.meta(at: position) == #"{"batch":\#(number / 10),"sample":\#(number)}"#)
      }
    }
    let index = try Index(at: folder.store.path, .read)
    let dataset = try index.dataset(named: "pathfinder32-hard")
    #expect(GenerationPlan(of: dataset, splits: try index.splits(of: dataset)) == nil)
  }

  @Test("metadata may be a real array of texts, of bytes or code points")
  func realMetadata() throws {
    for wide in [false, true] {
      var files = try TestRelease.files()
      for batch in 0..<2 {
        let rows = TestRelease.metadata(batch, (batch * 10)..<(batch * 10 + 10))
          .split(separator: "\n").map { $0.split(separator: " ") }
        let cells = rows.flatMap { $0 }.flatMap { cell -> [UInt8] in
          let bytes = Array(cell.utf8) + [UInt8](repeating: 0, count: 16 - cell.utf8.count)
          return wide ? bytes.flatMap { [$0, 0, 0, 0] } : bytes
        }
        let file = npyFile(wide ? "<U16" : "|S16", shape: "(10, 11)", cells)
        files = files.map { $0.name.hasSuffix("metadata/\(batch).npy") ? ($0.name, file) : $0 }
      }
      let folder = try TemporaryFolder()
      try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
      let result = try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
      #expect(result.datasets[1].generation.contentDigest.prefix(12) == "77bb2ed3d150")
    }
    var files = try TestRelease.files()
    files[files.count - 1].bytes = npyFile(
      "|O", shape: "(10, 11)", [UInt8](repeating: 0, count: 880))
    let refused = try error(files)
    #expect(refused?.message.contains("pickled Python objects, which are never read") == true)
  }

  @Test("empty images, images without a label and a part of AAN are left out and named")
  func leftOut() throws {
    var files = try TestRelease.files()
    files.append(("pathfinder32/curv_baseline/imgs/0/sample_172.png", []))
    files[3].bytes = []
    let orphan = try TestRelease.png(TestRelease.pixels(1), width: 32, height: 32)
    files.append(("\(TestRelease.folder)/imgs/9/sample_4.png", orphan))
    files.append(("tsv_data/new_aan_pairs.train.tsv", Array("1.0\ta\tb\tc\td\n".utf8)))
    files.append(
      ("pathfinder32/curv_baseline/metadata/0.npy", Array(TestRelease.metadata(0, 0..<1).utf8)))
    files.append(("pathfinder32/curv_baseline/imgs/0/sample_0.png", orphan))
    let folder = try TemporaryFolder()
    try TestRelease.write(files, in: "lra_release/", to: folder.path + "/a.tar")
    let result = try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
    #expect(
      result.datasets.map(\.generation.dataset) == [
        "listops-2k", "pathfinder32-easy", "pathfinder32-hard",
      ])
    #expect(
      result.datasets[1].skipped == [
        SkippedFile(
          path: "lra_release/pathfinder32/curv_baseline/imgs/0/sample_172.png",
          reason: "it is empty")
      ])
    #expect(
      result.datasets[2].skipped.map(\.reason) == [
        "it is empty", "no line of the metadata names it",
      ])
    #expect(
      result.skipped == [
        SkippedFile(
          path: "lra_release/tsv_data/new_aan_pairs.train.tsv",
          reason: "other files of the pairs are missing")
      ])
  }

  @Test("the pairs of the release are the dataset that convert aan makes")
  func pairs() throws {
    let folder = try TemporaryFolder()
    var files = try TestRelease.files()
    for (split, label) in [("train", "1.0"), ("eval", "0.0"), ("test", "1.0")] {
      let line = "\(label)\tP1\tP2-\(split)\tone text\tother text of \(split)\n"
      files.append(("tsv_data/new_aan_pairs.\(split).tsv", Array(line.utf8)))
    }
    let path = folder.path + "/lra_release.gz"
    try TestRelease.write(files, in: "lra_release/", to: path)
    let all = try folder.store.convertRelease(LRARelease(), from: [path])
    #expect(
      all.datasets.map(\.generation.dataset) == ["listops-2k", "retrieval", "pathfinder32-hard"])
    let alone = try folder.store.convert(AAN(), from: [path], name: "alone")
    #expect(all.datasets[1].generation.contentDigest == alone.generation.contentDigest)
    #expect(all.datasets[1].generation.splits == alone.generation.splits)
    let again = try folder.store.convert(AAN(), from: [path])
    #expect(again.generation.state == .complete)
  }

  @Test("what is not there, unknown names and names for several are refused")
  func names() throws {
    let files = try TestRelease.files()
    #expect(try error(files, only: ["listops"])?.code == .usage)
    let missing = try error(files, only: ["listops-2k", "pathfinder64-easy"])
    #expect(missing?.message == "a.tar holds no pathfinder64-easy")
    #expect(try error([("readme", [1])])?.message == "a.tar holds no dataset of the release")
    #expect(try error(Array(files.dropFirst()))?.message == "a.tar holds no basic_train.tsv")
    let folder = try TemporaryFolder()
    #expect(
      Small.error {
        try folder.store.convertRelease(LRARelease(), from: [folder.path], name: "x")
      }?.code == .usage)
    // A generated dataset of the same name is never taken for the released one.
    try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
    _ = try folder.store.generate(
      PathfinderConfiguration(), splits: SplitSize.standard(train: 4, validation: 0, test: 0))
    var release = LRARelease()
    release.only = ["pathfinder32-hard"]
    let differs = Small.error {
      try folder.store.convertRelease(release, from: [folder.path + "/a.tar"])
    }
    #expect(differs?.code == .configurationDiffers)
  }

  // MARK: Malformed expressions

  private func listOpsError(_ bytes: [UInt8]) throws -> DatasetError? {
    var files = try TestRelease.files()
    files[1].bytes = bytes
    return try error(files)
  }

  @Test(
    "what is wrong with an expression is said with line and column",
    arguments: [
      ("( ( ( [MAX 4 ) 2 ) ] )\t5", "2:24: the target is 5; the expression has the value 4"),
      ("( ( ( [MAX 4 ) 2 ) ] )\tx", "2:24: the target is \"x\"; a digit expected"),
      ("( ( ( [MAX 4 ) 2 ) ] )\t10", "2:24: the target is \"10\"; a digit expected"),
      ("[MAX 4 2\t4", "2:9: 1 brackets are not closed"),
      ("( 7\t7", "2:4: 1 parentheses are not closed"),
      ("7 )\t7", "2:3: this parenthesis was never opened"),
      ("4 ]\t4", "2:3: something behind the whole expression"),
      ("] 4\t4", "2:1: this bracket was never opened"),
      ("[MAX ]\t4", "2:6: a list without arguments"),
      ("[MAX 4 ] 3\t4", "2:10: something behind the whole expression"),
      ("[MEAN 4 3 ]\t3", "2:1: unknown token \"[MEAN\""),
      ("[MAN 4 ]\t4", "2:1: unknown token \"[MAN\""),
      ("[MAX 4 \0 ]\t4", "2:8: unknown token \"\\u0000\""), ("\t4", "2:1: no expression"),
      ("4", "2:2: expected 2 tab-separated fields, found 1"),
      ("4\t4\t4", "2:4: expected 2 tab-separated fields, found 3"),
    ])
  func malformedExpressions(line: String, expected: String) throws {
    let found = try listOpsError(Array("Source\tTarget\r\n\(line)\r\n".utf8))
    #expect(found?.message == "a.tar: listops-1000/basic_val.tsv:\(expected)")
    #expect(found?.position == 2)
    #expect(found?.code == .malformedInput)
  }

  @Test(
    "a missing header and an empty file are refused; LF, a byte order mark and a cut end are not")
  func headers() throws {
    #expect(
      try listOpsError(Array("4\t4\n".utf8))?.message
        == "a.tar: listops-1000/basic_val.tsv:1:1: expected the header Source, tab, Target")
    #expect(try listOpsError([])?.position == 1)
    let folder = try TemporaryFolder()
    var files = try TestRelease.files()
    files[1].bytes = Array("\u{FEFF}Source\tTarget\n[MAX 4 ]\t4".utf8)
    try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
    let result = try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
    #expect(result.datasets[0].generation.splits.map(\.count) == [4, 1, 4])
  }

  @Test(
    "an expression of depth 10^6 is evaluated without a deep stack; a line of 100 MB is refused")
  func deep() throws {
    let depth = 1_000_000
    let text = "Source\tTarget\n"
    let opened = Array(repeating: Array("[MAX 3 ".utf8), count: depth).joined()
    let closed = Array(repeating: Array("] ".utf8), count: depth).joined()
    let wrong = try listOpsError(Array(text.utf8) + opened + closed + Array("\t4\n".utf8))
    #expect(wrong?.message.hasSuffix("the target is 4; the expression has the value 3") == true)
    let open = try listOpsError(Array(text.utf8) + opened + Array("1\t1\n".utf8))
    #expect(open?.message.hasSuffix("1 000 000 brackets are not closed") == true)
    let line = [UInt8](repeating: UInt8(ascii: "("), count: 100_000_000)
    let long = try listOpsError(Array(text.utf8) + line)
    #expect(
      long?.message
        == "a.tar: listops-1000/basic_val.tsv:2:67108865: a line of more than 67 108 864 bytes")
  }

  // MARK: Malformed images

  @Test("metadata without a label, and images that are there twice, are refused")
  func metadata() throws {
    var files = try TestRelease.files()
    let last = files.count - 1
    files[last].bytes = Array("imgs/1 sample_10.png 10 0\nimgs/1 sample_11.png 11 2\n".utf8)
    let label = try error(files)
    #expect(
      label?.message
        == "a.tar: \(TestRelease.folder)/metadata/1.npy:2:1: "
        + "expected imgs/K sample_N.png, a third field and a label of 0 or 1")
    var twice = try TestRelease.files()
    twice.append(("other/" + twice[5].name, twice[5].bytes))
    #expect(
      try error(twice)?.message.hasSuffix("the image is there twice, in different folders") == true)
  }
}
