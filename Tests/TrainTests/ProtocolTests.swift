import Attention
import Tensors
import Testing

@testable import Train

@Suite("built-in protocols")
struct ProtocolTests {
  /// What each protocol says something about; a protocol that loses or gains a task shows here.
  private static let tasks: [String: [String]] = [
    "small": Recipe.tasks, "paper": Array(Recipe.tasks.dropLast()), "released": Recipe.tasks,
    "demo": ["listops"],
  ]

  @Test("every protocol resolves for each of its tasks, and its model can be built")
  func resolve() throws {
    #expect(Set(BuiltInRecipes.names) == Set(Self.tasks.keys))
    for (name, tasks) in Self.tasks {
      for task in Recipe.tasks {
        var request = RecipeRequest(task: task)
        request.recipe = name
        guard tasks.contains(task) else {
          #expect(throws: TrainError.self) { try request.resolve() }
          continue
        }
        let recipe = try request.resolve()
        try recipe.check()
        #expect(try Recipe(yaml: recipe.yaml, name: "again") == recipe)
        #expect(throws: Never.self) { try Schedule(recipe) }
        if recipe.data.maxLength <= 4000 {
          let model = try Classifier(recipe.modelConfiguration, key: RandomKey(seed: 0))
          #expect(model.parameters.valueCount > 1000)
        }
      }
    }
  }

  @Test("the released ListOps model has the published number of parameters")
  func released() throws {
    var request = RecipeRequest(task: "listops")
    request.recipe = "released"
    let classifier = try Classifier(
      request.resolve().modelConfiguration, key: RandomKey(seed: 0))
    #expect(classifier.parameters.valueCount == 8_948_746)
  }
}
