import Attention
import Foundation
import Testing

@testable import Train

@Suite("the keys of a recipe, today's names and former ones")
struct RecipeKeyTests {
  @Test("what earlier versions called model.attention is read as model.mixer, with a note")
  func formerNames() throws {
    var recipe = Recipe()
    recipe.model.mixer = ["block_size": .integer(9)]
    let former = recipe.yaml.replacing("\n  mixer: {", with: "\n  attention: {")
    #expect(former != recipe.yaml)
    var notes: [String] = []
    #expect(try Recipe(yaml: former, name: "old.yaml") { notes.append($0) } == recipe)
    #expect(notes == ["old.yaml: model.attention is called model.mixer now"])
    notes = []
    #expect(try Recipe(yaml: recipe.yaml) { notes.append($0) } == recipe)
    #expect(notes.isEmpty)

    // The digest that such a version gave a run still names the recipe.
    let old = "b4fd96df8da018827dc2442c84f06d8008309225b419642c995909ce0f0f58f6"
    #expect(Recipe().isNamed(by: old) && Recipe().isNamed(by: Recipe().digestText))
    #expect(!recipe.isNamed(by: old))

    var request = RecipeRequest(task: "listops")
    request.model = "local"
    request.settings = ["model.attention.block_size=9", "model.attention.blocks_after=1"]
    let resolved = try request.resolve { notes.append($0) }
    #expect(resolved.model.mixer["block_size"] == .integer(9))
    #expect(notes == ["model.attention is called model.mixer now"])
    request.settings = ["model.attentions.block_size=9"]
    #expect(throws: TrainError.self) { try request.resolve() }
  }

  @Test("a run in a folder that an earlier version named is found")
  func formerFolder() throws {
    let folder = try TemporaryFolder()
    var recipe = try RecipeRequest(task: "listops").resolve()
    recipe.model.numLayers = 3
    let name = RunFolder.name(of: recipe).replacing(
      recipe.digestText.prefix(6), with: recipe.formerDigestText.prefix(6))
    let former = folder.file("runs/\(name)")
    #expect(RunFolder.of(recipe, under: folder.file("runs")).path != former)
    try FileManager.default.createDirectory(atPath: former, withIntermediateDirectories: true)
    try Data(recipe.yaml.replacing("mixer: {", with: "attention: {").utf8).write(
      to: URL(fileURLWithPath: "\(former)/recipe.yaml"))
    let (found, isNew) = try RunFolder.make(for: recipe, under: folder.file("runs"))
    #expect(found.path == former && !isNew)
  }

  @Test("every key is explained, the models' own ones too")
  func explained() throws {
    #expect(RecipeKey.all.count > Recipe.fields.count + 100)
    for key in RecipeKey.all {
      #expect(key.text.last == "." && !key.range.isEmpty && !key.owner.isEmpty, "\(key.key)")
    }
    let size = try RecipeKey.named("train.batch_size")
    #expect(size.map(\.key) == ["train.batch_size"])
    #expect(size[0].default == .int(32) && size[0].unit == "examples")
    #expect(size[0].range == "1 or more" && size[0].owner == "every recipe")
    #expect(try RecipeKey.named("schedule").map(\.key) == ["schedule.factors", "schedule.warmup"])
    #expect(
      try RecipeKey.named("model.attention.num_rand_blocks").map(\.owner) == ["model bigbird"])
    #expect(try RecipeKey.named("model.mixer.block_size").count > 3)
    let error = #expect(throws: TrainError.self) { try RecipeKey.named("train.batchsize") }
    #expect(error?.message.contains("did you mean train.batch_size?") == true)
  }
}
