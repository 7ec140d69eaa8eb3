/// The rules that look at all of an example: what is learned without order or place.
///
/// `bag_of_tokens`: naive Bayes on symbol counts, see `NaiveBayes`. `mean_ink`, images only: a rule on the
/// sum of grey levels. `marker_distance`, images whose meta has markers: a rule on the squared distance
/// of the two, `(origin_y - terminal_y)^2 + (origin_x - terminal_x)^2`. For rules on one number see
/// `ScalarRule`. All are fitted on labelled examples of one split. Every image is decoded, so training
/// does not compute them.
struct ContentBaselines: Sendable {
  private let bag: NaiveBayes
  private let ink: ScalarRule?
  private let markers: ScalarRule?

  /// One example's numbers.
  private struct Scalars: Sendable {
    var ink: [(value: Int, label: Int32)] = []
    var distance: [(value: Int, label: Int32)] = []
    var counts = NaiveBayes.Counts()
  }

  /// Fits the rules on the examples of a split.
  ///
  /// - Throws: `checksumMismatch` when an example is damaged.
  init(_ reader: SplitReader, threads: Int) throws {
    let isImage = reader.symbols.imageSize != nil
    let all = Guarded(Scalars())
    try reader.inPieces(threads: threads) { positions in
      var piece = Scalars()
      for position in positions where reader.labels[position] >= 0 {
        let label = reader.labels[position]
        try reader.withSymbols(at: position) { symbols in
          piece.counts.add(symbols, label: label)
          if isImage { piece.ink.append((ContentBaselines.ink(symbols), label)) }
        }
        if isImage, let distance = ContentBaselines.markerDistance(reader, position) {
          piece.distance.append((distance, label))
        }
      }
      return piece
    } commit: { piece in
      all.withLock {
        $0.ink += piece.ink
        $0.distance += piece.distance
        $0.counts.add(piece.counts)
      }
    }
    let fitted = all.withLock { $0 }
    bag = NaiveBayes(fitted.counts)
    ink = isImage ? ScalarRule(fitted.ink) : nil
    markers = fitted.distance.isEmpty ? nil : ScalarRule(fitted.distance)
  }

  /// The share of a split's examples that each rule gets right.
  ///
  /// - Throws: `checksumMismatch` when an example is damaged.
  func measure(on reader: SplitReader, threads: Int) throws -> [DatasetStatistics.Baseline] {
    let right = Guarded((bag: 0, ink: 0, markers: 0))
    try reader.inPieces(threads: threads) { positions in
      var piece = (bag: 0, ink: 0, markers: 0)
      for position in positions {
        let label = reader.labels[position]
        try reader.withSymbols(at: position) { symbols in
          if bag.label(of: symbols) == label { piece.bag += 1 }
          if let ink, ink.label(of: ContentBaselines.ink(symbols)) == label { piece.ink += 1 }
        }
        if let markers, let distance = ContentBaselines.markerDistance(reader, position),
          markers.label(of: distance) == label
        {
          piece.markers += 1
        }
      }
      return piece
    } commit: { piece in
      right.withLock {
        $0 = ($0.bag + piece.bag, $0.ink + piece.ink, $0.markers + piece.markers)
      }
    }
    let counts = right.withLock { $0 }
    let share = { (count: Int) in Double(count) / Double(max(1, reader.count)) }
    var baselines = [DatasetStatistics.Baseline(name: "bag_of_tokens", accuracy: share(counts.bag))]
    if ink != nil { baselines.append(.init(name: "mean_ink", accuracy: share(counts.ink))) }
    if markers != nil {
      baselines.append(.init(name: "marker_distance", accuracy: share(counts.markers)))
    }
    return baselines
  }

  private static func ink(_ symbols: UnsafeBufferPointer<UInt8>) -> Int {
    var sum = 0
    for symbol in symbols { sum += Int(symbol) }
    return sum
  }

  /// Pixels between the markers, squared; nil when the meta has none.
  private static func markerDistance(_ reader: SplitReader, _ position: Int) -> Int? {
    guard let meta = reader.meta(at: position) else { return nil }
    var places: [Substring: Int] = [:]
    for field in meta.dropFirst().dropLast().split(separator: ",") {
      let pair = field.split(separator: ":")
      guard pair.count == 2, let value = Int(pair[1]) else { continue }
      places[pair[0]] = value
    }
    guard let startY = places["\"origin_y\""], let startX = places["\"origin_x\""],
      let endY = places["\"terminal_y\""], let endX = places["\"terminal_x\""]
    else { return nil }
    return (startY - endY) * (startY - endY) + (startX - endX) * (startX - endX)
  }
}

extension SplitReader {
  /// Works on consecutive positions on several threads; results are committed in order.
  func inPieces<Piece>(
    threads: Int, _ work: @escaping @Sendable (Range<Int>) throws -> Piece,
    commit: @escaping @Sendable (Piece) throws -> Void
  ) throws {
    let size = 1024
    try OrderedWork.run(count: (count + size - 1) / size, threads: threads) { number in
      try work(number * size..<min((number + 1) * size, self.count))
    } commit: { _, piece in
      try commit(piece)
    }
  }
}
