import Foundation

@testable import Datasets

/// A fault that only a fuzzer finds: reached when an input has been changed in one telling way.
///
/// Compiled in with -D PLANTED, to see that the target reaches so far and that a fault is reported.
func planted(_ reached: @autoclosure () -> Bool) {
  #if PLANTED
    if reached() { fatalError("the planted fault was found") }
  #endif
}

/// The input as a source file.
///
/// - Parameter location: nil for a member of an archive.
func sourceFile(
  _ bytes: UnsafeRawBufferPointer, path: String, location: String? = "input"
) -> SourceFile {
  var position = 0
  return SourceFile(
    source: "input", sourceNumber: 0, path: path, bytes: bytes.count, location: location,
    isAlone: true
  ) { buffer in
    // Small pieces, so that what lies across two of them is met.
    let count = min(buffer.count, bytes.count - position, 37)
    buffer.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]))
    position += count
    return count
  }
}

/// Runs a parser; errors of ours are what it should give, anything else ends the process.
@discardableResult
func expectOurErrors(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as DatasetError {
    precondition(error.code == .malformedInput || error.code == .checksumMismatch, "\(error)")
    return error.message
  } catch {
    precondition(error is MalformedBytes, "\(error)")
    return nil
  }
}
