import Crypto
import Foundation

/// The different documents of some files, each kept once.
///
/// A document is its id and its text: the same id with another text is another document, and so is the same
/// text under another id. Texts of plain files stay there, mapped; those of archives are kept in memory.
struct DocumentPool: Sendable {
  private enum Place {
    case file(Int, start: Int, count: Int)
    case memory([UInt8])
  }

  /// A text that is not the first of its id.
  private struct Variant: Hashable {
    let id: String
    let sha256: [UInt8]
  }

  /// The ids, by the order in which the documents came.
  private(set) var ids: [String] = []
  private var places: [Place] = []
  private var files: [Mapping] = []
  private var memoryBytes = 0
  /// How many bytes of text may be kept in memory.
  let memoryLimit: Int
  private var firsts: [String: Int] = [:]
  private var variants: [Variant: Int] = [:]

  init(memoryLimit: Int = 1 << 32) {
    self.memoryLimit = memoryLimit
  }

  /// How many documents there are.
  var count: Int { ids.count }

  /// Texts of this file can stay in it.
  ///
  /// - Returns: its number for `number(of:id:in:at:)`; nil for a member of an archive.
  mutating func map(_ file: SourceFile) throws -> Int? {
    guard let location = file.location else { return nil }
    files.append(try Mapping(contentsOf: location))
    return files.count - 1
  }

  /// How many bytes a mapped file has.
  func bytes(ofFile number: Int) -> Int { files[number].bytes.count }

  /// The number of a document; a new one when it has not come yet.
  ///
  /// - Parameters:
  ///   - text: the text, which may go away afterwards.
  ///   - file: the mapped file that holds it; nil for none.
  ///   - offset: where it begins in the file.
  /// - Returns: nil when the file does not hold it, or the memory is used up.
  mutating func number(
    of text: UnsafeRawBufferPointer, id: String, in file: Int?, at offset: Int
  ) -> Int? {
    guard let first = firsts[id] else {
      guard let added = add(text, id, file, offset) else { return nil }
      firsts[id] = added
      return added
    }
    // Nearly always: comparing is faster than hashing.
    if withText(first, { DocumentPool.areEqual($0, text) }) { return first }
    let variant = Variant(id: id, sha256: DocumentPool.sha256(text))
    if let known = variants[variant] { return known }
    guard let added = add(text, id, file, offset) else { return nil }
    variants[variant] = added
    return added
  }

  /// Gives a document's text to a body.
  func withText<Result>(
    _ number: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    switch places[number] {
    case .file(let file, let start, let count):
      return try body(
        UnsafeRawBufferPointer(
          UnsafeBufferPointer(rebasing: files[file].bytes[start..<(start + count)])))
    case .memory(let text): return try text.withUnsafeBytes(body)
    }
  }

  private mutating func add(
    _ text: UnsafeRawBufferPointer, _ id: String, _ file: Int?, _ offset: Int
  ) -> Int? {
    if let file {
      guard offset + text.count <= files[file].bytes.count else { return nil }
      places.append(.file(file, start: offset, count: text.count))
    } else {
      guard text.count <= memoryLimit - memoryBytes else { return nil }
      memoryBytes += text.count
      places.append(.memory(Array(text)))
    }
    ids.append(id)
    return ids.count - 1
  }

  private static func areEqual(
    _ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer
  ) -> Bool {
    guard one.count == other.count else { return false }
    guard let left = one.baseAddress, let right = other.baseAddress else { return one.isEmpty }
    return memcmp(left, right, one.count) == 0
  }

  private static func sha256(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = SHA256()
    hash.update(bufferPointer: text)
    return Array(hash.finalize())
  }
}
