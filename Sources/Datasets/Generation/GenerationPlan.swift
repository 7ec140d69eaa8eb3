/// What is to be made: the identity of a dataset, and how one of its shards comes to be.
struct GenerationPlan: Sendable {
  let name: String
  let task: String
  let config: String
  /// nil for converted data.
  let seed: Int?
  let generatorVersion: Int
  let splits: [SplitSize]
  /// The pairs of those splits that are pairs of documents, by ordinal; they have no shards.
  let pairs: [Int: [DocumentPair]]
  /// What users call the examples: `examples`, `images`.
  let unit: String
  /// What it is converted from, by name; empty for generated data.
  let sources: [SourceRecord]
  /// How the shards hold the examples.
  var form: StoredForm { StoredForm(task: task, config: config) }
  /// What it is generated from; nil for converted data.
  let configuration: (any GeneratorConfiguration)?
  /// A pure function of split and range.
  var makeShard: ShardMaker

  /// The plan that made a dataset, from its row.
  ///
  /// - Returns: nil for converted data, which cannot be made again without its sources.
  init?(of dataset: DatasetRecord, splits: [SplitRecord]) {
    let sizes = splits.map { SplitSize(name: $0.name, ordinal: $0.ordinal, count: $0.count) }
    guard let seed = dataset.seed, let parameters = CanonicalJSON.decode(dataset.config) else {
      return nil
    }
    let configuration = TaskDescription.configuration(
      ofTask: dataset.task, version: dataset.generatorVersion, parameters)
    guard let configuration else { return nil }
    self = configuration.unlimited.plan(name: dataset.name, seed: seed, splits: sizes)
  }

  init(
    name: String, task: String, config: String, seed: Int?, generatorVersion: Int,
    splits: [SplitSize], pairs: [Int: [DocumentPair]] = [:], unit: String,
    sources: [SourceRecord] = [], configuration: (any GeneratorConfiguration)? = nil,
    makeShard: @escaping ShardMaker
  ) {
    self.name = name
    self.task = task
    self.config = config
    self.seed = seed
    self.generatorVersion = generatorVersion
    self.splits = splits
    self.pairs = pairs
    self.unit = unit
    self.sources = sources
    self.configuration = configuration
    self.makeShard = makeShard
  }

  /// - Throws: `usage` for sizes, names or seeds that cannot be.
  func validate() throws {
    var mistakes: [String] = []
    if let seed, seed < 0 { mistakes.append("--seed is \(seed), 0 or more allowed") }
    for split in splits where split.count < 0 {
      mistakes.append("--\(split.name) is \(split.count), 0 or more allowed")
    }
    if !splits.contains(where: { $0.count > 0 }) {
      mistakes.append("every split is empty; ask for at least one example")
    }
    let allowed = name.utf8.allSatisfy {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || "-_.".utf8.contains($0)
    }
    if name.isEmpty || name.hasPrefix(".") || !allowed || name.utf8.count > 100 {
      mistakes.append(
        "--name \(CanonicalJSON.quoted(name)): letters, digits, - _ and . allowed, "
          + "at most 100, no . in front")
    }
    if !mistakes.isEmpty {
      throw DatasetError.invalidParameter(mistakes.joined(separator: "\n"))
    }
  }

  /// What an existing dataset has and this plan asks for, where they differ; nil where they do not.
  func difference(
    from dataset: DatasetRecord, splits existing: [SplitRecord], sources old: [SourceRecord],
    shardExamples: Int?, asked: Int
  ) -> (has: String, asks: String)? {
    var has: [String] = []
    var asks: [String] = []
    func compare(_ one: String, _ other: String) {
      if one != other {
        has.append(one)
        asks.append(other)
      }
    }
    compare(dataset.task, task)
    compare(
      "generator version \(dataset.generatorVersion)", "generator version \(generatorVersion)")
    compare(GenerationPlan.text(seed: dataset.seed), GenerationPlan.text(seed: seed))
    if dataset.config != config {
      let old = CanonicalJSON.decode(dataset.config) ?? [:]
      let new = CanonicalJSON.decode(config) ?? [:]
      for key in Set(old.keys).union(new.keys).sorted() {
        compare(GenerationPlan.text(key, old[key]), GenerationPlan.text(key, new[key]))
      }
    }
    for name in (old + sources).map(\.name).uniqued() {
      compare(
        GenerationPlan.text(name, old.first { $0.name == name }),
        GenerationPlan.text(name, sources.first { $0.name == name }))
    }
    let wanted = splits.filter { $0.count > 0 }
    for name in (existing.map(\.name) + wanted.map(\.name)).uniqued() {
      let old = existing.first { $0.name == name }?.count ?? 0
      let new = wanted.first { $0.name == name }?.count ?? 0
      compare("\(name) \(old.grouped)", "\(name) \(new.grouped)")
    }
    if let shardExamples {
      compare("\(shardExamples.grouped) examples per shard", "\(asked.grouped) examples per shard")
    }
    return has.isEmpty ? nil : (has.joined(separator: ", "), asks.joined(separator: ", "))
  }

  private static func text(seed: Int?) -> String { seed.map { "seed \($0)" } ?? "no seed" }

  private static func text(_ name: String, _ source: SourceRecord?) -> String {
    source.map { "\(name) of SHA-256 \(Digest.hex($0.sha256).prefix(12))" } ?? "no \(name)"
  }

  private static func text(_ key: String, _ value: ParameterValue?) -> String {
    switch value {
    case .integer(let integer): "\(key) \(integer)"
    case .string(let string): "\(key) \(string)"
    case nil: "no \(key)"
    }
  }
}
