import Foundation
import Testing

@testable import Datasets

/// Tables and records as people bring them.
@Suite struct OwnLayoutsTests {
  private func own(_ classes: [String] = [], validation: Int? = 0, test: Int? = 0) -> OwnTask {
    var own = OwnTask()
    own.task = "mine"
    own.classes = classes
    own.validation = validation
    own.test = test
    return own
  }

  /// Texts and labels in the order of their lines.
  private func examples(_ folder: TemporaryFolder) throws -> [String] {
    let reader = try folder.store.open(dataset: "mine", split: "train")
    return try (0..<reader.count).map { position in
      let text = try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
      return "\(reader.labels[position]) \(text)"
    }
  }

  private func table(
    _ text: String, columns: String? = nil, header: Bool = false, classes: [String] = []
  ) throws -> (examples: [String], names: [String], error: DatasetError?) {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.tsv", text)
    do {
      var converter = LabelledText(own(classes))
      converter.columns = try columns.map { try OwnColumns($0) }
      converter.header = header
      _ = try folder.store.convert(converter, from: [path])
      let manifest = try Manifest(of: "mine", in: folder.store)
      #expect(
        LabelledText(task: "mine", parameters: manifest.parameters)?.columns == converter.columns)
      #expect(try folder.store.convert(converter, from: [path]).generation.state == .complete)
    } catch let error as DatasetError {
      return ([], [], error)
    }
    let names = try folder.store.open(dataset: "mine", split: "train").classNames
    return (try examples(folder), names, nil)
  }

  private func records(
    _ text: String, columns: String? = nil, classes: [String] = []
  ) throws -> (examples: [String], names: [String], error: String?) {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.jsonl", text)
    do {
      var converter = LabelledRecords(own(classes))
      converter.columns = try columns.map { try OwnColumns($0) }
      _ = try folder.store.convert(converter, from: [path])
      #expect(try folder.store.convert(converter, from: [path]).generation.state == .complete)
    } catch let error as DatasetError {
      #expect(error.code == .malformedInput)
      return ([], [], error.message.replacing(path, with: ""))
    }
    let reader = try folder.store.open(dataset: "mine", split: "train")
    #expect(reader.symbols == .bytes)
    return (try examples(folder), reader.classNames, nil)
  }

  // MARK: Tables

  @Test(
    "blank lines at the end are no examples, LF or CRLF, one or several",
    arguments: ["", "\n", "\r\n", "\n\n", "\n\r\n\n\n"])
  func blankEnd(end: String) throws {
    #expect(try table("0\tone\n1\ttwo\n" + end).examples == ["0 one", "1 two"])
    #expect(try table("0\tone\r\n1\ttwo\r\n" + end).examples == ["0 one", "1 two"])
  }

  @Test("a blank line in the middle is an error at its place")
  func blankMiddle() throws {
    for text in ["0\tone\n\n1\ttwo\n", "0\tone\r\n\r\n\r\n1\ttwo\r\n\r\n"] {
      let error = try table(text).error
      #expect(error?.position == 2)
      #expect(error?.message.hasSuffix(":2:1: expected 2 tab-separated fields, found 1") == true)
    }
    #expect(try table("\n0\tone\n").error?.position == 1)
    #expect(try table("\n\n").error?.message.hasSuffix("holds no examples") == true)
  }

  @Test(
    "headers and extra columns are named by number or by name",
    arguments: [
      ("label\tsentence\n1\tgood\n0\tbad\n", nil, false),
      ("sentence\tlabel\ngood\t1\nbad\t0\n", nil, false),
      ("sentence\tlabel\ngood\t1\nbad\t0\n", "label=2,text=1", true),
      ("id\ttext\tx\tstars\n7\tgood\t-\t1\n8\tbad\t-\t0\n", "text=2,label=4", true),
      ("id\treview\tx\tstars\n7\tgood\t-\t1\n8\tbad\t-\t0\n", "label=stars,text=review", false),
      ("7\tgood\t1\n8\tbad\t0\n", "label=3,text=2", false),
      ("stars\treview\n1\tgood\n0\tbad\n", nil, true),
    ])
  func columns(text: String, columns: String?, header: Bool) throws {
    let made = try table(text, columns: columns, header: header)
    #expect(made.error == nil)
    #expect(made.examples == ["1 good", "0 bad"])
  }

  @Test(
    "columns that cannot be are refused in words that say what was typed",
    arguments: [
      ("label=2", "label and text are both needed"),
      ("label=0,text=1", "columns count from 1 to 63"),
      ("label=1,text=1", "column 1 is used twice"),
      ("label=1,text=2,text=3", "text is there twice"),
      ("label=1,stars=2", "\"stars\" is none of label, text and split"),
      ("label,text", "\"label\" names no column"),
    ])
  func badColumns(typed: String, expected: String) throws {
    let error = Small.error { try OwnColumns(typed) }
    #expect(error?.code == .usage)
    #expect(error?.message.hasPrefix("--columns \(typed): \(expected)") == true)
  }

  @Test("columns that are not there are refused with the header")
  func missingColumns() throws {
    let name = try table("a\tb\n0\tone\n", columns: "label=a,text=c").error
    #expect(
      name?.message.hasSuffix(
        ":1:1: the header has no column \"c\", or has it twice (--columns label=a,text=c); it has "
          + "\"a\", \"b\"") == true)
    let number = try table("0\tone\n", columns: "label=1,text=3").error
    #expect(number?.message.contains("there is no column 3") == true)
    #expect(try table("0\tone\n1\ttwo\tx\n", columns: "label=1,text=2").error?.position == 2)
  }

  @Test("a column may name the splits by number")
  func splitColumn() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.tsv", "0\tone\ttrain\n1\ttwo\tdev\n0\tthree\ttest\n")
    var converter = LabelledText(own(validation: nil, test: nil))
    converter.columns = try OwnColumns("label=1,text=2,split=3")
    #expect(
      try folder.store.convert(converter, from: [path]).generation.splits.map(\.count) == [1, 1, 1])
  }

  @Test("whole real numbers are labels, others are not")
  func realLabels() throws {
    #expect(
      try table("1.0\tone\n0.0\ttwo\n2.000\tthree\n").examples == ["1 one", "0 two", "2 three"])
    for label in ["0.5", "1.", ".0", "1.0e0", "-1.0", "1.00000001", "nan"] {
      let error = try table("0\tone\n\(label)\ttwo\n").error
      #expect(error?.message.contains("the label is \"\(label)\"") == true)
    }
  }

  @Test("arrays of labels may be whole real numbers too", arguments: ["<f4", "<f8", ">f4", ">f8"])
  func realArrays(descr: String) throws {
    func labels(_ values: [Double]) -> [UInt8] {
      values.flatMap { value in
        let bits = descr.hasSuffix("4") ? UInt64(Float(value).bitPattern) : value.bitPattern
        let bytes = (0..<(descr.hasSuffix("4") ? 4 : 8)).map {
          UInt8(truncatingIfNeeded: bits >> (8 * $0))
        }
        return descr.first == ">" ? bytes.reversed() : bytes
      }
    }
    let folder = try TemporaryFolder()
    let tokens = folder.path + "/x.npy"
    try Data(npyFile("|u1", shape: "(3, 1)", [1, 2, 3])).write(to: URL(fileURLWithPath: tokens))
    let path = folder.path + "/y.npy"
    func make(_ values: [Double]) throws -> DatasetError? {
      try Data(npyFile(descr, shape: "(3,)", labels(values))).write(to: URL(fileURLWithPath: path))
      return Small.error {
        try folder.store.convert(LabelledArrays(own()), from: [tokens, path])
      }
    }
    #expect(try make([0, 0.5, 1])?.message.contains("label 1 is 0.5; 0...65535 allowed") == true)
    #expect(try make([0, 1, -1])?.message.contains("label 2 is -1.0; 0...65535 allowed") == true)
    #expect(try make([0, 1, .nan])?.code == .malformedInput)
    #expect(try make([2, 0, 1]) == nil)
    #expect(try folder.store.open(dataset: "mine", split: "train").labels == [2, 0, 1])
  }

  @Test("class names that the user gives are labels, and kept")
  func classes() throws {
    let made = try table("pos\tone\n1\ttwo\nneg\tthree\n", classes: ["neg", "pos"])
    #expect(made.examples == ["1 one", "1 two", "0 three"])
    #expect(made.names == ["neg", "pos"])
    let unknown = try table("pos\tone\nbad\ttwo\n", classes: ["neg", "pos"]).error
    #expect(
      unknown?.message.hasSuffix(
        ":2:1: the label is \"bad\"; one of neg, pos, or its number from 0 expected") == true)
    #expect(try table("2\tone\n", classes: ["neg", "pos"]).error?.code == .malformedInput)
    #expect(try table("0\tone\n", classes: ["neg", "neg"]).error?.code == .usage)
  }

  // MARK: Compressed files

  /// Those of the four compressors that this machine has; gzip is everywhere.
  private static let compressors = [
    ("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz"), ("zstd", "zst"),
  ].filter { program, _ in
    ["/bin", "/usr/bin"].contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
    }
  }

  @Test(
    "a compressed file that is no archive is read as the file in it", arguments: compressors)
  func compressed(program: String, suffix: String) throws {
    let folder = try TemporaryFolder()
    for split in ["train", "test"] {
      let lines = (0..<10).map { "\($0 % 2)\t\(split) \($0)\n" }.joined()
      let path = try folder.write("in/\(split).tsv", lines)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [program, "-q", path]
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
      try? FileManager.default.removeItem(atPath: path)
    }
    let one = try folder.store.convert(
      LabelledText(own()), from: ["\(folder.path)/in/train.tsv.\(suffix)"])
    #expect(one.files == [ReadFile(path: "train.tsv", split: "train")])
    #expect(one.generation.splits.map(\.count) == [10])
    let all = try folder.store.convert(
      LabelledText(own(validation: nil, test: nil)), from: [folder.path + "/in"], name: "all")
    #expect(all.files.map(\.path) == ["test.tsv", "train.tsv"])
    #expect(all.generation.splits.map(\.count) == [9, 1, 10])
    let again = try folder.store.convert(
      LabelledText(own(validation: nil, test: nil)), from: [folder.path + "/in"], name: "all")
    #expect(again.generation.state == .complete)
  }

  // MARK: Records

  @Test("records have line breaks, numbers, truths or names as labels, and other keys")
  func records() throws {
    let numbers = try records(
      "{\"text\":\"a\\nb\\tc\",\"label\":1,\"x\":{\"label\":5}}\n{\"label\":0.0,\"text\":\"\\u00e9\"}\n\n"
    )
    #expect(numbers.examples == ["1 a\nb\tc", "0 é"])
    #expect(numbers.names == [])
    let truths = try records(
      "{\"label\":true,\"text\":\"a\"}\r\n{\"label\":false,\"text\":\"b\"}\r\n\r\n")
    #expect(truths.examples == ["1 a", "0 b"])
    let names = try records(
      "{\"label\":\"pos\",\"text\":\"a\"}\n{\"label\":\"neg\",\"text\":\"b\"}\n{\"label\":\"é, x\",\"text\":\"c\"}\n"
    )
    #expect(names.examples == ["1 a", "0 b", "2 c"])
    #expect(names.names == ["neg", "pos", "é, x"])
    let given = try records(
      "{\"label\":\"b\",\"text\":\"x\"}\n{\"label\":0,\"text\":\"y\"}", classes: ["b", "a"])
    #expect(given.examples == ["0 x", "0 y"])
    #expect(given.names == ["b", "a"])
    let texts = try records("{\"label\":\"1.0\",\"text\":\"x\"}\n{\"label\":\"0\",\"text\":\"y\"}")
    #expect(texts.examples == ["1 x", "0 y"])
    let keys = try records(
      "{\"stars\":\"3\",\"review\":\"x\",\"label\":9}\n", columns: "label=stars,text=review")
    #expect(keys.examples == ["3 x"])
  }

  @Test(
    "what is wrong with a record is said with its line",
    arguments: [
      ("[1]", "not a JSON object"), ("{\"label\":1,\"text\":\"a\"", "not a JSON object"),
      ("0\ttext", "not a JSON object"),
      ("{\"text\":\"a\"}", "no key \"label\"; the object has \"text\""),
      ("{\"label\":1,\"body\":\"a\"}", "no key \"text\"; the object has \"body\", \"label\""),
      ("{\"label\":1,\"text\":5}", "\"text\" is no string"),
      ("{\"label\":[1],\"text\":\"a\"}", "the label is neither a number nor a name"),
      ("{\"label\":null,\"text\":\"a\"}", "the label is neither a number nor a name"),
      ("{\"label\":0.5,\"text\":\"a\"}", "the label is 0.5; a whole number or a name expected"),
      (
        "{\"label\":-1,\"text\":\"a\"}",
        "the label is -1; an integer from 0 to 65535 or a name expected"
      ),
      ("{\"label\":1,\"text\":\"\"}", "the text is empty"),
      ("{\"label\":1,\"text\":\"a\\u0000\"}", "a zero byte, which no text has"),
      ("{\"label\":1,\"label\":0,\"text\":\"a\"}", "the key \"label\" is there twice"),
      ("{\"label\":1,\"text\":\"a\",\"split\":\"all\"}", "the split is \"all\"; train"),
    ])
  func badRecords(line: String, expected: String) throws {
    let error = try records("{\"label\":1,\"text\":\"sound\"}\n" + line + "\n").error
    #expect(error?.hasPrefix(":2:1: " + expected) == true, "\(error ?? "none")")
  }

  @Test("numbers and names as labels do not mix")
  func mixed() throws {
    let error = try records("{\"label\":1,\"text\":\"a\"}\n{\"label\":\"pos\",\"text\":\"b\"}\n")
      .error
    #expect(error == ": labels are numbers and names: 1 (line 1) and \"pos\" (line 2)")
  }
}
