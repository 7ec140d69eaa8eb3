import Testing
import ToolRunner

@Suite("the pages' training commands")
struct TrainDocumentsTests {
  @Test("commands of lra-train have options that there are", arguments: Document.all)
  func commands(document: Document) throws {
    try expectOptions(of: document.commands(of: "lra-train"), Program.lraTrain, document)
  }

  @Test("settings name keys of recipes", arguments: Document.all)
  func settings(document: Document) throws {
    for words in document.commands(of: "lra-train") {
      for (option, value) in zip(words, words.dropFirst()) where option == "--set" {
        let key = value.prefix { $0 != "=" }
        let explained = try Program.lraTrain.run(["recipe", "--explain", String(key)], in: "/")
        #expect(explained.exit == 0, "\(document.path): \(value): \(explained.error)")
      }
    }
  }
}
