import Foundation
import Testing

@testable import Datasets

/// Which files of a folder or archive belong, and what they say twice.
@Suite struct SourceFilesTests {
  private func write(_ folder: TemporaryFolder, _ files: [(String, String)]) throws -> String {
    for (name, text) in files { try folder.write("in/\(name)", text) }
    return folder.path + "/in"
  }

  private func lines(_ word: String, _ count: Int = 20) -> String {
    (0..<count).map { "\($0 % 2)\t\(word) \($0)\n" }.joined()
  }

  private func text() -> LabelledText {
    var own = OwnTask()
    own.task = "mine"
    return LabelledText(own)
  }

  // MARK: Belonging

  @Test(
    "what is no data of a folder is left out and named, and changes nothing",
    arguments: [
      (".ipynb_checkpoints/train-checkpoint.tsv", ".ipynb_checkpoints/"),
      ("train.tsv~", "train.tsv~"),
      ("train.tsv.bak", "train.tsv.bak"), (".DS_Store", ".DS_Store"), ("README.md", "README.md"),
      ("._train.tsv", "._train.tsv"), ("__MACOSX/train.tsv", "__MACOSX/"),
      ("#train.tsv#", "#train.tsv#"), ("train.tsv.swp", "train.tsv.swp"),
      ("notes/todo.txt", "notes/todo.txt"),
      (".git/train.tsv", ".git/"),
    ])
  func leftOut(name: String, shown: String) throws {
    let folder = try TemporaryFolder()
    let path = try write(folder, [("train.tsv", lines("a")), ("test.tsv", lines("b"))])
    let plain = try folder.store.convert(text(), from: [path])
    _ = try write(folder, [(name, lines("wrong"))])
    let again = try folder.store.convert(text(), from: [path])
    #expect(again.skipped.map(\.path) == [shown])
    #expect(again.generation.state == .complete)
    #expect(again.generation.contentDigest == plain.generation.contentDigest)
    #expect(again.files.map(\.split) == ["test", "train"])
  }

  @Test("the same is left out of an archive")
  func archive() throws {
    let folder = try TemporaryFolder()
    var archive = TestArchive()
    archive.add("d/train.tsv", lines("a"))
    archive.add("d/.ipynb_checkpoints/train-checkpoint.tsv", lines("wrong"))
    archive.add("__MACOSX/d/train.tsv", lines("wrong"))
    archive.add("d/._train.tsv", "binary\0")
    archive.add("d/README", "read me")
    try archive.write(folder.path + "/a.tar")
    let made = try folder.store.convert(text(), from: [folder.path + "/a.tar"])
    #expect(made.files == [ReadFile(path: "d/train.tsv", split: "train")])
    #expect(made.skipped.count == 4)
    #expect(made.generation.splits.reduce(0) { $0 + $1.count } == 20)
  }

  @Test("a file that the user names is read whatever its name is")
  func named() throws {
    let folder = try TemporaryFolder()
    let path = try write(folder, [("notes.bak", lines("a"))])
    let made = try folder.store.convert(text(), from: [path + "/notes.bak"])
    #expect(made.generation.splits.reduce(0) { $0 + $1.count } == 20)
  }

  @Test(
    "names that look like two splits and say none are refused with the fix",
    arguments: [
      ["trainset.tsv", "testset.tsv"], ["mytrain.tsv", "mytest.tsv"], ["trn.tsv", "tst.tsv"],
      ["TrainData.tsv", "validset.tsv"], ["traindata.tsv", "other.tsv", "devset.tsv"],
    ])
  func unclear(names: [String]) throws {
    let folder = try TemporaryFolder()
    let path = try write(folder, names.map { ($0, lines($0)) })
    let error = Small.error { try folder.store.convert(text(), from: [path]) }
    #expect(error?.code == .malformedInput)
    #expect(error?.message.contains("look like the splits") == true)
    #expect(error?.next?.contains("give a column split") == true)
    #expect(!FileManager.default.fileExists(atPath: folder.store.path))
  }

  @Test("names that only sound so, one of them alone, and a column split are taken")
  func clear() throws {
    for names in [
      ["latest.tsv", "older.tsv"], ["trainset.tsv"], ["trainset.tsv", "trainset2.tsv"],
    ] {
      let folder = try TemporaryFolder()
      let path = try write(folder, names.map { ($0, lines($0)) })
      let made = try folder.store.convert(text(), from: [path])
      #expect(made.files.count == names.count)
    }
    let folder = try TemporaryFolder()
    let path = try write(
      folder,
      ["train", "test"].map {
        ("\($0)set.tsv", "split\tlabel\ttext\n\($0)\t0\tone\n\($0)\t1\ttwo\n")
      })
    let made = try folder.store.convert(text(), from: [path])
    #expect(made.generation.splits.map(\.count) == [2, 2])
  }

  @Test("arrays whose names say no split but look so are refused in the same words")
  func arrays() throws {
    let folder = try TemporaryFolder()
    var paths: [String] = []
    for name in ["trainset", "testset"] {
      paths.append("\(folder.path)/\(name).npy")
      try Data(npyFile("|u1", shape: "(4, 2)", [UInt8](repeating: 1, count: 8)))
        .write(to: URL(fileURLWithPath: paths[paths.count - 1]))
    }
    let error = Small.error {
      try folder.store.convert(LabelledArrays(text().own), from: paths)
    }
    #expect(error?.message.contains("look like the splits") == true)
  }

  // MARK: Labels

  private func release(_ metadata: [(String, String)]) throws -> DatasetError? {
    try release(bytes: metadata.map { ($0, Array($1.utf8)) })
  }

  private func release(bytes metadata: [(String, [UInt8])]) throws -> DatasetError? {
    let folder = try TemporaryFolder()
    var files = try TestRelease.files()
    files += metadata.map { (name: $0, bytes: $1) }
    try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
    let error = Small.error {
      try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
    }
    return error
  }

  @Test("two labels of one image are refused with both places, the same label twice is not")
  func contradiction() throws {
    let folder = "\(TestRelease.folder)/metadata"
    let same = TestRelease.label(3)
    #expect(try release([("\(folder)/9.npy", "imgs/0 sample_3.png 3 \(same)\n")]) == nil)
    let other = try release([("\(folder)/9.npy", "imgs/0 sample_3.png 3 \(1 - same)\n")])
    #expect(other?.code == .malformedInput)
    #expect(
      other?.message.hasSuffix(
        "\(TestRelease.folder)/imgs/0/sample_3.png has label \(same) (\(folder)/0.npy:4) and label "
          + "\(1 - same) (\(folder)/9.npy:1)") == true)
    let one = try release([
      ("\(folder)/9.npy", "imgs/7 sample_1.png 1 0\nimgs/7 sample_1.png 1 1\n")
    ])
    #expect(one?.message.contains("(\(folder)/9.npy:1) and label 1 (\(folder)/9.npy:2)") == true)
    let cells = ["imgs/0", "sample_3.png", "3", "\(1 - same)"].flatMap {
      Array($0.utf8) + [UInt8](repeating: 0, count: 16 - $0.utf8.count)
    }
    let array = try release(
      bytes: [("\(folder)/9.npy", npyFile("|S16", shape: "(1, 4)", cells))])
    #expect(array?.message.contains("label \(1 - same) (\(folder)/9.npy, row 0)") == true)
    let hidden = try release([("\(folder)/._9.npy", "imgs/0 sample_3.png 3 \(1 - same)\n")])
    #expect(hidden == nil)
  }

  @Test("images that the metadata names and that are not there are named, as empty ones are")
  func missing() throws {
    let folder = try TemporaryFolder()
    var files = try TestRelease.files()
    files.removeAll {
      $0.name.hasSuffix("sample_4.png") || $0.name.hasSuffix("imgs/1/sample_12.png")
    }
    if let empty = files.firstIndex(where: { $0.name.hasSuffix("sample_5.png") }) {
      files[empty].bytes = []
    }
    try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
    let made = try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
    let skipped = made.datasets.flatMap(\.skipped)
    #expect(
      skipped.map(\.path).map { $0.split(separator: "/").last } == [
        "sample_5.png", "sample_4.png", "sample_12.png",
      ])
    #expect(
      skipped.map(\.reason) == [
        "it is empty", "the metadata names it, but it is not there",
        "the metadata names it, but it is not there",
      ])
  }

  @Test("a review whose rating contradicts its folder is refused")
  func rating() throws {
    let folder = try TemporaryFolder()
    var archive = TestArchive()
    for place in ["train/pos/0_9", "train/neg/0_2", "test/pos/0_7", "test/neg/0_9"] {
      archive.add("aclImdb/\(place).txt", place)
    }
    try archive.write(folder.path + "/a.tar")
    let error = Small.error { try folder.store.convert(IMDb(), from: [folder.path + "/a.tar"]) }
    #expect(
      error?.message.hasSuffix(
        "aclImdb/test/neg/0_9.txt has label 0 (its folder) and label 1 (its rating)") == true)
  }

  @Test("texts with two labels, labels that leave gaps and classes without training are told")
  func notes() throws {
    let folder = try TemporaryFolder()
    let path = try write(
      folder, [("train.tsv", lines("a") + "0\tsame\n1\tsame\n"), ("test.tsv", "4\tnew\n")])
    let made = try folder.store.convert(text(), from: [path])
    #expect(
      made.notes == [
        "labels leave gaps: 5 classes from 0 to 4, no example of 2, 3",
        "no training example has class 4",
        "1 example has the content of an earlier one and another label, as line 21 (label 0) and "
          + "line 22 (label 1)",
      ])
    #expect(try folder.store.convert(text(), from: [path]).notes.count == 3)
  }
}
