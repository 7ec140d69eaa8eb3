import Attention
import Tensors
import Testing

@testable import Train

/// What protocol `released` changes outside the mechanisms.
@Suite struct ReleasedTests {
  private func released(
    _ task: String, _ model: String, _ settings: [String] = []
  ) throws -> Recipe {
    try ProtocolTests.recipe("released", task, model, settings)
  }

  @Test("each model of the table has its own row: layers, heads, widths, pool, block, dropout")
  func rows() throws {
    let image = [
      "transformer": "1/8/128/64/128 CLS 0.3", "local": "1/2/128/64/128 MEAN_ALL 0.3 64",
      "sparse_transformer": "1/8/128/64/128 CLS 0.3 50",
      "longformer": "4/4/128/64/128 MEAN_ALL 0.3", "linformer": "1/8/128/64/128 CLS 0.3",
      "reformer": "4/8/64/64/64 CLS 0.3", "sinkhorn": "1/1/32/32/64 MEAN_ALL 0.1 64",
      "synthesizer": "1/8/128/64/128 CLS 0.3", "bigbird": "1/4/128/64/128 CLS 0.3 64",
      "linear": "1/8/128/64/128 CLS 0.3", "performer": "1/8/128/64/128 CLS 0.3",
    ]
    let pathfinder = [
      "transformer": "4/4/32/16/32 MEAN_ALL 0.2", "local": "2/4/64/32/64 MEAN_ALL 0.1 64",
      "sparse_transformer": "1/8/32/16/32 MEAN_ALL 0.2 50",
      "longformer": "2/2/32/16/32 MEAN_ALL 0.1", "linformer": "1/2/32/16/32 MEAN_ALL 0.2",
      "reformer": "2/8/64/64/64 MEAN_ALL 0.2", "sinkhorn": "2/4/32/16/64 MEAN_ALL 0.2 64",
      "synthesizer": "2/4/64/32/64 MEAN_ALL 0.2", "bigbird": "4/2/64/32/64 MEAN_ALL 0.2 64",
      "linear": "1/2/128/64/128 MEAN_ALL 0.2", "performer": "4/8/32/16/32 MEAN_ALL 0.2",
    ]
    for (task, rows) in [("image", image), ("pathfinder", pathfinder)] {
      for (name, row) in rows {
        let recipe = try released(task, name)
        let model = recipe.model
        let sizes = [
          model.numLayers, model.numHeads, model.embDim, model.qkvDim, model.mlpDim,
        ].map(String.init).joined(separator: "/")
        let block = model.mixer["block_size"].map { " \($0.yaml)" } ?? ""
        let found = "\(sizes) \(model.classifierPool.rawValue) \(model.dropoutRate)\(block)"
        #expect(found == row, "\(task) \(name)")
        #expect(recipe.data.blackIsPadding && recipe.data.padding == .maxLength)
      }
    }
    #expect(try released("image", "sinkhorn").optimizer.weightDecay == 0.7)
    #expect(try released("image", "local").optimizer.weightDecay == 0)
    #expect(try !released("image", "luna").data.blackIsPadding)
  }

  @Test("quirks of the mechanisms are keys of their own, on every task")
  func quirks() throws {
    let expected: [String: [String: ConfigurationValue]] = [
      "transformer": ["uniform_padded_queries": .bool(true)],
      "local": ["strided_groups": .bool(true)],
      "sparse_transformer": [
        "causal_pattern": .bool(true), "summary_of_first": .bool(true),
        "summary_size": .integer(10),
        "uniform_padded_queries": .bool(true),
      ],
      "longformer": [
        "window": .integer(512), "global_tokens": .integer(0), "uneven_window": .bool(true),
        "uniform_padded_queries": .bool(true),
      ],
      "linformer": ["low_rank_features": .integer(16), "attended_padding": .bool(true)],
      "reformer": ["unmasked": .bool(true)], "sinkhorn": ["unsorted_sum": .bool(true)],
      "synthesizer": ["ignore_dot_product": .bool(false), "uniform_padded_queries": .bool(true)],
      "bigbird": ["random_within": .integer(1024), "attended_filling": .bool(true)],
      "linear": ["attended_padding": .bool(true)],
      "performer": ["attended_padding": .bool(true)],
    ]
    for task in Recipe.tasks {
      for (name, keys) in expected {
        let recipe = try released(task, name)
        for (key, value) in keys {
          #expect(recipe.model.mixer[key] == value, "\(task) \(name) \(key)")
        }
        if ["reformer", "bigbird"].contains(name) {
          #expect(recipe.model.attentionDropoutRate == 0)
        }
      }
      let kernel = task == "listops" ? "softmax" : "relu"
      #expect(try released(task, "performer").model.mixer["kernel"] == .string(kernel))
      // The open first token is the CLS vector or, in pairs, the first byte.
      let sparse = try released(task, "sparse_transformer")
      let open = ["listops", "text", "retrieval", "image"].contains(task)
      #expect(sparse.model.mixer["open_first_token"] == (open ? .bool(true) : nil))
      #expect(open == [.cls, .first].contains(sparse.model.classifierPool))
    }
    let performer = try released("listops", "performer").model.mixer
    #expect(performer["nb_features"] == .integer(2) && performer["haar"] == .bool(false))
  }

  /// Rows of grey levels: stored symbols.
  private func batch(_ rows: [[Int32]]) -> Batch {
    Batch(
      number: 1, positions: Array(rows.indices), tokens: rows.joined().map { $0 + 1 },
      lengths: rows.map { Int32($0.count) }, labels: rows.map { _ in 0 }, length: rows[0].count,
      globalCount: rows.count)
  }

  @Test("black is padding: a masked key, whatever the model has for it")
  func black() throws {
    let settings = ["data.max_length=9", "model.dropout_rate=0", "model.attention_dropout_rate=0"]
    let grey: [Int32] = [3, 0, 7, 0, 0, 200, 255, 0, 1]
    for name in ["transformer", "sparse_transformer", "synthesizer", "bigbird"] {
      let recipe = try released("image", name, settings)
      #expect(recipe.modelConfiguration.vocabularySize == 256)
      let runner = try ModelRunner(recipe, device: .cpu)
      let logits = { (batch: Batch) in
        try runner.measured(batch, examples: 0..<1, step: 1, training: false).logits.floats()
      }
      let blackFirst = [0] + grey[1...]
      let before = try [grey, blackFirst].map { try logits(batch([Array($0)])) }
      // What black pixels are embedded as changes nothing for a CLS vector that sees no black; with a
      // black first pixel it is masked itself, and sees the mean of everything.
      let token = try #require(
        runner.network.parameters.first { $0.name == "embed.token.weight" }
      ).parameter.value
      let rows = try token.floats()
      try withoutGradient {
        try token.copy(from: .from(rows.indices.map { $0 < 128 ? 5 : rows[$0] }, token.shape))
      }
      #expect(try logits(batch([grey])) == before[0], "\(name)")
      if name != "bigbird" {
        #expect(try logits(batch([Array(blackFirst)])) != before[1], "\(name)")
      }
      // An ordinary recipe has 257 ids, and black is one of them.
      let own = try ProtocolTests.recipe("modern", "image", name, settings)
      #expect(own.modelConfiguration.vocabularySize == 257)
    }
    let error = #expect(throws: TrainError.self) {
      try ProtocolTests.recipe("small", "text", "transformer", ["data.black_is_padding=true"])
    }
    #expect(
      error?.message
        == "recipe key data.black_is_padding must be false without images, found true")
  }

  @Test("rows are filled up to max_length, and the mean counts the padding")
  func filled() throws {
    let source = MemorySource(count: 8, longest: 20)
    var recipe = Recipe()
    (recipe.data.maxLength, recipe.data.padding, recipe.train.batchSize) = (40, .maxLength, 2)
    let loader = try Loader(training: source, recipe)
    defer { loader.stop() }
    let batch = try #require(try loader.next())
    #expect(batch.length == 40 && batch.lengths.allSatisfy { $0 <= 20 })
    let evaluation = Loader(evaluating: source, recipe)
    defer { evaluation.stop() }
    #expect(try evaluation.next()?.length == 40)
    recipe.data.padding = .batch
    let shorter = Loader(evaluating: source, recipe)
    defer { shorter.stop() }
    #expect(try #require(try shorter.next()).length <= 20)
    let error = #expect(throws: TrainError.self) {
      try ProtocolTests.recipe(
        "small", "listops", "transformer", ["model.classifier_pool=MEAN_ALL"])
    }
    #expect(
      error?.message == "recipe key data.padding must be max_length for MEAN_ALL, found batch")
  }

  @Test("keys that only the release needs are written only where they are set")
  func unusualKeys() throws {
    let plain = try ProtocolTests.recipe("modern", "image", "transformer").yaml
    for key in ["padding", "black_is_padding", "head_hidden"] {
      #expect(!plain.contains("\(key):"))
    }
    let own = try released("image", "sinkhorn")
    for key in ["padding: max_length", "black_is_padding: true", "head_hidden: false"] {
      #expect(own.yaml.contains(key))
    }
    #expect(try Recipe(yaml: own.yaml) == own)
  }
}
