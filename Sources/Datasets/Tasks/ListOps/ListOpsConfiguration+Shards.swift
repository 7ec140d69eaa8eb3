extension ListOpsConfiguration: GeneratorConfiguration {
  /// `examples`.
  public static let unit = "examples"

  /// What makes the shards of a seed.
  public func shardMaker(seed: Int) -> ShardMaker {
    { split, range, step in
      let generator = ListOpsGenerator(self, seed: seed)
      var workspace = ListOpsGenerator.Workspace(self)
      // Half of the way between the limits: the default task's mean is a fifth less.
      let guess = range.count * (minLength + maxLength) / 2
      var shard = ShardContent(first: range.lowerBound, capacity: min(guess, 1 << 26))
      for position in range {
        try generator.example(split: split, position: position, in: &workspace) { symbols, value in
          shard.append(symbols, label: value)
        }
        try step(1)
      }
      return shard
    }
  }
}
