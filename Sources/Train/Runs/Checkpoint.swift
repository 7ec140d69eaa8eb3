import Attention
import Crypto
import Datasets
import Foundation
import Tensors

/// What a checkpoint knows besides tensors: `state.json`.
public struct CheckpointState: Codable, Sendable, Equatable {
  /// What an evaluation on the validation split found.
  public struct Validation: Codable, Sendable, Equatable {
    /// Its step.
    public var step: Int
    /// Share of right predictions on the validation split.
    public var accuracy: Double
    /// Mean cross entropy there, in nats.
    public var loss: Double
  }

  /// Where the loader is: the place of the step that comes next.
  public struct Place: Codable, Sendable, Equatable {
    /// Seed of the order.
    public var seed: Int
    /// Epoch, from 0.
    public var epoch: Int
    /// Batch within the epoch, from 0.
    public var position: Int
  }

  /// A file of the checkpoint.
  public struct File: Codable, Sendable, Equatable {
    /// Its size.
    public var bytes: Int
    /// SHA-256 in hexadecimal.
    public var sha256: String
  }

  /// The form of this file.
  public var schema = 1
  /// Steps done.
  public var step: Int
  /// The last evaluation; one that is due comes first after a resume.
  public var evaluated: Validation?
  /// Where the loader goes on.
  public var loader: Place
  /// The best evaluation; nil before the first.
  public var best: Validation?
  /// SHA-256 of the resolved recipe.
  public var recipeSha256: String
  /// Content digest of the dataset.
  public var dataDigest: String
  /// The tensor files.
  public var files: [String: File] = [:]
  /// SHA-256 of this file as it is without this key, in hexadecimal; nil in early checkpoints.
  public var sha256: String?

  /// The file's bytes.
  fileprivate func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return Array(try encoder.encode(self)) + [10]
  }

  /// The state with the digest of what it says.
  fileprivate func sealed() throws -> CheckpointState {
    var state = self
    state.sha256 = nil
    state.sha256 = Digest.hex(Array(SHA256.hash(data: try state.encoded())))
    return state
  }
}

/// A folder with a model, its optimiser's state and where the run was; complete under its name or
/// not there.
public struct Checkpoint: Sendable {
  /// The folder, `.../checkpoints/step-00005000`.
  public let path: String
  /// What it knows besides tensors.
  public let state: CheckpointState

  private static let modelFile = "model.safetensors"
  private static let optimizerFile = "optimizer.safetensors"

  /// Writes a checkpoint into a hidden folder, makes it durable and renames it once.
  ///
  /// - Throws: `DatasetError` when the disk is full or refuses; nothing is left under the name
  ///   then.
  static func save(
    _ folder: RunFolder, _ state: CheckpointState, _ parameters: [NamedParameter],
    _ optimizer: any Optimizer,
    _ pruner: Pruner? = nil
  ) throws -> Checkpoint {
    let path = folder.checkpointPath(step: state.step)
    let name = RunFolder.checkpointName(step: state.step)
    let partial = "\(folder.checkpointsPath)/.\(name).\(getpid()).partial"
    try? FileManager.default.removeItem(atPath: partial)
    try Publication.makeFolder(partial)
    var state = state
    do {
      let metadata = ["format": "pt", "step": String(state.step)]
      let tensors = parameters.map { (name: $0.name, tensor: $0.parameter.value) }
      for (file, data) in [
        (modelFile, try Safetensors.encoded(tensors, metadata: metadata)),
        (
          optimizerFile,
          try Safetensors.encoded(optimizer.state + (pruner?.state ?? []), metadata: metadata)
        ),
      ] {
        let published = try Publication.publish("\(partial)/\(file)") { sink in
          try data.withUnsafeBytes { try sink.write($0) }
        }
        state.files[file] = .init(bytes: published.bytes, sha256: Digest.hex(published.sha256))
      }
      state = try state.sealed()
      let json = try state.encoded()
      try Publication.publish("\(partial)/state.json") { try $0.write(json) }
      if FileManager.default.fileExists(atPath: path) {  // the same step, before a resume
        try FileManager.default.removeItem(atPath: path)
      }
      try Publication.move(partial, to: path)
    } catch {
      try? FileManager.default.removeItem(atPath: partial)
      throw error
    }
    return Checkpoint(path: path, state: state)
  }

  /// Opens a step's checkpoint and checks every file of it.
  ///
  /// - Throws: `TrainError` `checksumMismatch` for damage, `malformed` for a folder that is no
  ///   checkpoint.
  static func open(_ folder: RunFolder, step: Int) throws -> Checkpoint {
    let path = folder.checkpointPath(step: step)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let json = FileManager.default.contents(atPath: "\(path)/state.json") else {
      throw TrainError.notACheckpoint(path, "state.json is missing")
    }
    guard let state = try? decoder.decode(CheckpointState.self, from: json), state.step == step
    else {
      throw TrainError.notACheckpoint(path, "state.json is not the state of step \(step)")
    }
    let earlier = folder.checkpointSteps().last { $0 < step }.map {
      folder.checkpointPath(step: $0)
    }
    guard try state.sha256 == nil || state.sha256 == state.sealed().sha256 else {
      throw TrainError.checkpointDamaged(path, "state.json", previous: earlier)
    }
    for file in [modelFile, optimizerFile] {
      guard let expected = state.files[file],
        let data = try? Data(
          contentsOf: URL(fileURLWithPath: "\(path)/\(file)"), options: .alwaysMapped),
        data.count == expected.bytes,
        Digest.hex(Array(SHA256.hash(data: data))) == expected.sha256
      else { throw TrainError.checkpointDamaged(path, file, previous: earlier) }
    }
    return Checkpoint(path: path, state: state)
  }

  /// The model's tensors by name.
  func weights() throws -> [String: Tensor] {
    try Safetensors.read("\(path)/\(Checkpoint.modelFile)")
  }

  /// Puts the checkpoint's values into a model of the same form.
  func restore(_ parameters: [NamedParameter]) throws {
    let file = "\(path)/\(Checkpoint.modelFile)"
    let tensors = try weights()
    for named in parameters {
      try Safetensors.copy(named.name, of: tensors, to: named.parameter.value, file)
    }
    try Safetensors.expectOnly(parameters.map(\.name), in: tensors, file)
  }

  /// Puts the checkpoint's state into an optimiser of the same parameters, and masks into a pruner.
  func restore(_ optimizer: any Optimizer, _ pruner: Pruner? = nil) throws {
    let file = "\(path)/\(Checkpoint.optimizerFile)"
    let saved = try Safetensors.read(file)
    try optimizer.restore(saved, step: state.step, path: file)
    try pruner?.restore(saved, path: file)
  }

  /// Removes checkpoints that are neither in `kept` nor needed, and what dead writers left.
  static func prune(_ folder: RunFolder, keeping kept: Set<Int>) {
    for step in folder.checkpointSteps() where !kept.contains(step) {
      try? FileManager.default.removeItem(atPath: folder.checkpointPath(step: step))
    }
  }

  /// Removes unfinished checkpoints of processes that died.
  ///
  /// Call it with the run locked.
  static func sweep(_ folder: RunFolder) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.checkpointsPath)) ?? []
    for name in names where name.hasPrefix(".") && name.hasSuffix(".partial") {
      try? FileManager.default.removeItem(atPath: "\(folder.checkpointsPath)/\(name)")
    }
  }
}
