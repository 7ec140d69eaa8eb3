import ArgumentParser
import Console
import Datasets

/// `gen pathfinder`.
struct GenPathfinder: GenCommand {
  static let configuration = CommandConfiguration(
    commandName: "pathfinder",
    abstract: "Make Pathfinder and Path-X: are two marked ends those of one dashed path?",
    discussion: """
      An image depends on parameters, seed, split and position alone: threads, shard size, split \
      sizes and restarts change nothing. The same command goes on where it was interrupted. \
      Path-X is --len 16k.

      \(Gen.workers)
      """)

  @Option(help: ArgumentHelp("Pixels: 1k, 4k, 16k or 64k; k is 1024.", valueName: "L"))
  var len = ImageLength(size: 32)
  @Option(help: "Dashes of a path: 6, 9 or 14.")
  var difficulty = PathfinderConfiguration.Difficulty.hard
  @Option(help: ArgumentHelp("Distractors: lra, dense or how many.", valueName: "n"))
  var distractors = Distractors.lra
  @Option(help: "strict: the two paths never touch.")
  var mode = PathfinderConfiguration.Mode.compatible
  @Option(help: "Add a mask of the marked path; the image has one or both of its markers.")
  var segmentation = PathfinderConfiguration.Segmentation.none
  @Option(help: ArgumentHelp("Give an image up after so many attempts.", valueName: "n"))
  var maxAttempts = PathfinderConfiguration().maxAttempts
  @OptionGroup var generation: GenOptions<PathfinderConfiguration>

  func validate() throws {
    if maxAttempts < 1 {
      throw ValidationError("--max-attempts is \(maxAttempts), 1 or more allowed")
    }
  }

  func generator() -> PathfinderConfiguration {
    var configuration = PathfinderConfiguration(size: len.size, difficulty: difficulty)
    switch distractors {
    case .lra: break
    case .dense: configuration.distractors = configuration.denseDistractors
    case .count(let count): configuration.distractors = count
    }
    configuration.mode = mode
    configuration.segmentation = segmentation
    configuration.maxAttempts = maxAttempts
    return configuration
  }

  static func detail(_ configuration: PathfinderConfiguration) -> String? {
    let size = configuration.size
    return "images \(size)x\(size), \(Format.count(configuration.pixels)) tokens"
  }
}

/// The length of a square image: `1k` is 1 024 pixels, 32 a side.
struct ImageLength: ExpressibleByArgument, CustomStringConvertible {
  let size: Int

  init(size: Int) { self.size = size }

  init?(argument: String) {
    let size = PathfinderConfiguration.sizes.first { size in
      let pixels = size * size
      return argument.lowercased() == "\(pixels / 1024)k" || argument == "\(pixels)"
    }
    guard let size else { return nil }
    self.size = size
  }

  var description: String { "\(size * size / 1024)k" }

  static var allValueStrings: [String] {
    PathfinderConfiguration.sizes.map { ImageLength(size: $0).description }
  }
}

/// How many distractors: LRA's documented number, that of its code, or one's own.
enum Distractors: ExpressibleByArgument, CustomStringConvertible {
  case lra
  case dense
  case count(Int)

  init?(argument: String) {
    switch argument {
    case "lra": self = .lra
    case "dense": self = .dense
    default:
      guard let count = Int(argument), count >= 0 else { return nil }
      self = .count(count)
    }
  }

  var description: String {
    switch self {
    case .lra: "lra"
    case .dense: "dense"
    case .count(let count): "\(count)"
    }
  }
}

extension PathfinderConfiguration.Difficulty: ExpressibleByArgument {}
extension PathfinderConfiguration.Mode: ExpressibleByArgument {}
extension PathfinderConfiguration.Segmentation: ExpressibleByArgument {}
