import Foundation
import Testing

@testable import Datasets

/// CSV files as people bring them, by RFC 4180.
@Suite struct CSVTests {
  /// Labels and texts in the order of their records, the names of the classes, or what was refused.
  private func read(
    _ text: String, columns: String? = nil, header: Bool = false, classes: [String] = []
  ) throws -> (examples: [String], names: [String], error: String?) {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.csv", text)
    var own = OwnTask()
    (own.task, own.classes, own.validation, own.test) = ("mine", classes, 0, 0)
    var converter = LabelledText(own)
    converter.format = .csv
    converter.columns = try columns.map { try OwnColumns($0) }
    converter.header = header
    do {
      _ = try folder.store.convert(converter, from: [path])
    } catch let error as DatasetError {
      #expect(error.code == .malformedInput)
      #expect(!FileManager.default.fileExists(atPath: folder.store.path))
      return ([], [], error.message.replacing(path, with: ""))
    }
    let manifest = try Manifest(of: "mine", in: folder.store)
    let again = LabelledText(task: "mine", parameters: manifest.parameters)
    #expect(again?.format == .csv && again?.columns == converter.columns)
    #expect(try folder.store.convert(converter, from: [path]).generation.state == .complete)
    let reader = try folder.store.open(dataset: "mine", split: "train")
    #expect(reader.symbols == .bytes)
    let examples = try (0..<reader.count).map { position in
      let text = try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
      return "\(reader.labels[position]) \(text)"
    }
    return (examples, reader.classNames, nil)
  }

  @Test("quotes hold commas, line breaks of both kinds and doubled quotes; bytes stay as they are")
  func quotes() throws {
    let text =
      "label,text\r\n0,plain\r\n1,\"a, b\"\n0,\"two\nlines\"\r\n1,\"two\r\nlines\"\n"
      + "0,\"say \"\"no\"\"\"\n1, a  b \n0,\u{2028}x\u{85}\n1,\"\"\"\"\n"
    #expect(
      try read(text).examples == [
        "0 plain", "1 a, b", "0 two\nlines", "1 two\r\nlines", "0 say \"no\"", "1  a  b ",
        "0 \u{2028}x\u{85}", "1 \"",
      ])
  }

  @Test("byte order mark, blank last lines and a missing last line end change nothing")
  func ends() throws {
    for text in [
      "0,a\n1,b\n", "0,a\n1,b", "\u{FEFF}0,a\r\n1,b\r\n\r\n\r\n", "\u{FEFF}\"0\",\"a\"\n1,\"b\"",
    ] {
      #expect(try read(text).examples == ["0 a", "1 b"], "\(text)")
    }
  }

  @Test("columns are named by a header or by number; classes have names")
  func columns() throws {
    let text = "id,review,stars\n1,\"good, very\",best\n2,bad,worst\n3,so so,best\n"
    let named = try read(text, columns: "label=stars,text=review")
    #expect(named.examples == ["0 good, very", "1 bad", "0 so so"])
    #expect(named.names == ["best", "worst"])
    let numbered = try read(
      text, columns: "label=3,text=2", header: true, classes: ["worst", "best"])
    #expect(numbered.examples == ["1 good, very", "0 bad", "1 so so"])
    #expect(try read("sentence,label\nx,0\ny,1.0\n").examples == ["0 x", "1 y"])
  }

  @Test(
    "what is no CSV is refused with its place, and nothing is written",
    arguments: [
      ("0,a\n1,\"b\n0,c\n", ":2:3: ", "a quote that is never closed"),
      ("0,a\n1,b\"c\"\n", ":2:4: ", "a quote within a field"),
      ("0,a\n1,\"b\"c\n", ":2:6: ", "text behind a closing quote"),
      ("0,\"x\ny\"\n1,\"b\" \n", ":3:6: ", "text behind a closing quote"),
      ("0,a\r1,b\r", ":1:4: ", "a carriage return that ends no line"),
      ("0,a\n1,b,c\n", ":2: ", "expected 2 comma-separated fields, found 3"),
      ("0,a\n\n1,b\n", ":2: ", "expected 2 comma-separated fields, found 1"),
      ("0,a\n1,\n", ":2: ", "the text is empty"),
      ("0;a\n1;b\n", ":1: ", "expected 2 comma-separated fields, found 1"),
      ("0,a\n1,b\u{0}\n", ":2: ", "a zero byte"),
      ("0,a\nx,b\n", ": ", "labels are numbers and names"),
    ])
  func refused(text: String, place: String, what: String) throws {
    let error = try #require(try read(text).error)
    #expect(error.contains(place) && error.contains(what), "\(error)")
  }

  @Test("whatever is written by the rules is read back byte for byte")
  func roundTrip() throws {
    var random = ReplayableGenerator()
    let alphabet: [UInt8] = Array("ab ,\"\n\r;\t\u{E9}".utf8)
    for _ in 0..<40 {
      let texts = (0..<20).map { _ in
        (0...Int.random(in: 0..<12, using: &random)).map { _ in
          alphabet.randomElement(using: &random) ?? 97
        }
      }
      var file: [UInt8] = []
      for (number, text) in texts.enumerated() {
        file += "\(number % 3),\"".utf8
        file += text.flatMap { $0 == UInt8(ascii: "\"") ? [$0, $0] : [$0] }
        file += (number % 2 == 0 ? "\"\n" : "\"\r\n").utf8
      }
      let folder = try TemporaryFolder()
      let path = try folder.write("a.csv", file)
      var own = OwnTask()
      (own.task, own.validation, own.test) = ("mine", 0, 0)
      var converter = LabelledText(own)
      converter.format = .csv
      _ = try folder.store.convert(converter, from: [path])
      let reader = try folder.store.open(dataset: "mine", split: "train")
      let found = try (0..<reader.count).map { try reader.withSymbols(at: $0) { Array($0) } }
      #expect(found == texts)
    }
  }

  @Test("files of a folder name their splits, compressed ones too; the help's example works")
  func folder() throws {
    let folder = try TemporaryFolder()
    for split in ["train", "test"] {
      let lines = (0..<10).map { "\($0 % 2),\"\(split), \($0)\"\n" }.joined()
      _ = try folder.write("in/\(split).csv", lines)
    }
    _ = try folder.write("in/notes.txt", "0,a\n")
    var own = OwnTask()
    own.task = "mine"
    var converter = LabelledText(own)
    converter.format = .csv
    let made = try folder.store.convert(converter, from: [folder.path + "/in"])
    #expect(made.files.map(\.path) == ["test.csv", "train.csv"])
    #expect(made.skipped.map(\.path) == ["notes.txt"])
    #expect(made.generation.splits.map(\.count) == [9, 1, 10])
  }
}
