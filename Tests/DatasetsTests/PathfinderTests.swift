import Foundation
import Testing

@testable import Datasets

@Suite struct PathfinderTests {
  static let train = SplitSize(name: "train", ordinal: 0, count: 0)

  static func configuration(
    _ size: Int, _ difficulty: PathfinderConfiguration.Difficulty = .easy,
    mode: PathfinderConfiguration.Mode = .compatible,
    segmentation: PathfinderConfiguration.Segmentation = .none
  ) -> PathfinderConfiguration {
    var configuration = PathfinderConfiguration(size: size, difficulty: difficulty)
    configuration.mode = mode
    configuration.segmentation = segmentation
    return configuration
  }

  @Test(
    "images equal the naive reference",
    arguments: [
      (configuration(32), 12), (configuration(32, .intermediate), 6), (configuration(32, .hard), 2),
      (configuration(32, mode: .strict), 4), (configuration(32, segmentation: .single), 4),
      (configuration(64, segmentation: .double), 2), (configuration(128), 2),
      (configuration(256), 1),
    ])
  func naive(configuration: PathfinderConfiguration, count: Int) throws {
    let geometry = try #require(configuration.geometry)
    let tables = PathfinderTables.of(geometry)
    let generator = PathfinderGenerator(configuration, tables, seed: 3, attemptLimit: 1_000_000)
    let painter = PathfinderPainter(configuration, tables)
    let reference = NaivePathfinder(configuration: configuration, geometry: geometry, seed: 3)
    var scene = PathfinderScene()
    for position in 0..<count {
      try generator.place(split: Self.train, position: position, into: &scene)
      let expected = reference.image(split: 0, position: position)
      var image = NaivePathfinder.Image(
        label: scene.label, attempt: Int(scene.attempt), placed: scene.placed,
        touching: scene.touching, origin: [scene.origin.y, scene.origin.x],
        terminal: [scene.terminal.y, scene.terminal.x])
      image.pixels = [UInt8](repeating: 0, count: configuration.pixels)
      image.pixels.withUnsafeMutableBufferPointer { pixels in
        if let base = pixels.baseAddress { painter.draw(scene, into: base) }
      }
      if configuration.segmentation != .none {
        image.mask = [UInt8](repeating: 0, count: configuration.pixels)
        image.mask.withUnsafeMutableBufferPointer { pixels in
          if let base = pixels.baseAddress { painter.drawMask(scene, into: base) }
        }
      }
      #expect(image == expected, "position \(position)")
    }
  }

  @Test("Path-X has the parameters of the design, options add keys and names")
  func parameters() throws {
    var configuration = PathfinderConfiguration(size: 128)
    #expect(
      configuration.canonicalJSON == #"{"continuity":"1.8","contour_length":14,"size":128}"#)
    #expect(configuration.datasetName == "pathfinder128-hard")
    configuration.distractors = configuration.denseDistractors
    #expect(configuration.distractors == 17)
    configuration.mode = .strict
    configuration.segmentation = .double
    #expect(configuration.datasetName == "pathfinder128-hard-dense-strict-segmentation2")
    #expect(PathfinderConfiguration(parameters: configuration.parameters) == configuration)
    #expect(PathfinderConfiguration(parameters: ["size": .integer(33)]) == nil)
    let counts = PathfinderConfiguration.sizes.map { PathfinderConfiguration(size: $0).distractors }
    #expect(counts == [5, 5, 8, 7])
  }

  @Test("too few attempts are an error that says what to do")
  func attempts() throws {
    let configuration = PathfinderConfiguration(size: 32)
    let geometry = try #require(configuration.geometry)
    let generator = PathfinderGenerator(
      configuration, PathfinderTables.of(geometry), seed: 0, attemptLimit: 2)
    var scene = PathfinderScene()
    let error = Small.error {
      try generator.place(split: Self.train, position: 0, into: &scene)
    }
    #expect(error?.message == "train/0: none of 2 attempts places two paths")
    #expect(error?.next == "allow more with --max-attempts")
  }

  /// A few images with masks in several shards.
  private func make(
    _ store: DatasetStore, threads: Int = 2, shardExamples: Int = 16
  ) throws -> GenerationResult {
    try store.generate(
      Self.configuration(32, segmentation: .single), name: "p",
      splits: SplitSize.standard(train: 40, validation: 5, test: 9),
      options: Small.options(threads, shardExamples))
  }

  @Test("threads and shard sizes change no content", arguments: [1, 2, 8], [1, 16, 4096])
  func invariance(threads: Int, shardExamples: Int) throws {
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    let expected = try make(one.store)
    let found = try make(two.store, threads: threads, shardExamples: shardExamples)
    #expect(expected.contentDigest == found.contentDigest)
    #expect(found.tokens == 54 * 1024)
  }

  @Test("images and masks read back, and lengths are tokens")
  func readsBack() throws {
    let folder = try TemporaryFolder()
    _ = try make(folder.store)
    let reader = try folder.store.open(dataset: "p", split: "train")
    #expect(reader.lengths == [Int32](repeating: 1024, count: 40))
    #expect(reader.symbols.imageSize == 32)
    let geometry = try #require(PathfinderGeometry.all.first)
    let reference = NaivePathfinder(
      configuration: Self.configuration(32, segmentation: .single), geometry: geometry, seed: 0)
    for position in [0, 17, 39] {
      let expected = reference.image(split: 0, position: position)
      let parts = try reader.withParts(at: position) { $0.map(Array.init) }
      #expect(parts == [expected.pixels, expected.mask])
      #expect(try reader.withSymbols(at: position) { Array($0) } == expected.pixels)
      #expect(reader.labels[position] == 1)
      #expect(reader.meta(at: position)?.contains("\"attempt\":\(expected.attempt),") == true)
    }
    let manifest = try Manifest(of: "p", in: folder.store)
    #expect(manifest.splits.map(\.lengths.tokens) == [40 * 1024, 5 * 1024, 9 * 1024])
    let report = try folder.store.verify()
    #expect(!report.foundDamage)
    #expect(report.datasets.map(\.checked) == [54])
  }

  @Test("what is no grey PNG of the right size is refused")
  func hostile() throws {
    let encoder = try #require(PNGEncoder())
    let pixels = (0..<1024).map { UInt8($0 % 251) }
    let file = try #require(
      pixels.withUnsafeBufferPointer {
        encoder.encode($0, width: 32, height: 32) { Array($0) }
      })
    func decode(_ file: [UInt8], _ size: Int = 32) -> [UInt8]? {
      var result = [UInt8](repeating: 0, count: size * size)
      let isImage = file.withUnsafeBufferPointer { file in
        result.withUnsafeMutableBufferPointer { pixels in
          pixels.baseAddress.map { PNGDecoder.decode(file, size: size, into: $0) } ?? false
        }
      }
      return isImage ? result : nil
    }
    #expect(decode(file) == pixels)
    #expect(decode(file, 31) == nil)
    #expect(decode(file, 64) == nil)
    #expect(decode([]) == nil)
    for length in stride(from: 0, to: file.count - 12, by: 7) {
      #expect(decode(Array(file[..<length])) == nil)
    }
    for byte in file.indices {
      var damaged = file
      damaged[byte] ^= 0x10
      _ = decode(damaged)  // must not crash
    }
  }
}
