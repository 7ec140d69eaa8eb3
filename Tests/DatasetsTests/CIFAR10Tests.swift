import Foundation
import Testing
import Tokenizers

@testable import Datasets

@Suite struct CIFAR10Tests {
  private func archive(
    _ folder: TemporaryFolder, _ name: String, _ content: (TestBatch) -> [UInt8],
    suffix: String = ""
  ) throws -> String {
    var archive = TestArchive()
    archive.add("cifar-10-batches/batches.meta", "not a batch")
    for (name, batch) in TestBatch.all() {
      archive.add("cifar-10-batches/\(name)\(suffix)", content(batch))
    }
    let path = "\(folder.path)/\(name).tar"
    try archive.write(path)
    return path
  }

  private func binary(_ folder: TemporaryFolder) throws -> String {
    try archive(folder, "binary", \.records, suffix: ".bin")
  }

  @Test("the grey levels are those of LRA's pipeline; validation is the last tenth in order")
  func content() throws {
    let folder = try TemporaryFolder()
    let result = try folder.store.convert(CIFAR10(), from: [binary(folder)])
    #expect(result.generation.splits.map(\.count) == [90, 10, 20])
    #expect(result.generation.dataset == "image")
    let validation = try folder.store.open(dataset: "image", split: "validation")
    let batch = TestBatch(20, number: 5)
    #expect(validation.labels == batch.labels.suffix(10).map(Int32.init))
    #expect(validation.symbols == .greyLevels(size: 32))
    for position in 0..<10 {
      let planes = Array(batch.data[((10 + position) * 3072)...].prefix(3072))
      let expected = (0..<1024).map { pixel in
        let red = 0.2989 * Double(planes[pixel])
        let green = 0.5870 * Double(planes[1024 + pixel])
        let blue = 0.1140 * Double(planes[2048 + pixel])
        return Int(255.5 * (red + green + blue) / 255 + 1e-9)
      }
      let levels = try validation.withSymbols(at: position) { $0.map(Int.init) }
      #expect(levels == expected)
    }
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("binary archive, pickles of Python 2 and of Python 3, and a folder give the same content")
  func layouts() throws {
    let folder = try TemporaryFolder()
    var digests: Set<String> = []
    for (number, path) in [
      try binary(folder), try archive(folder, "two") { $0.pickle() },
      try archive(folder, "three", \.pythonThree),
    ].enumerated() {
      let result = try folder.store.convert(CIFAR10(), from: [path], name: "image\(number)")
      digests.insert(result.generation.contentDigest)
    }
    try FileManager.default.createDirectory(
      atPath: folder.path + "/batches", withIntermediateDirectories: true)
    for (name, batch) in TestBatch.all() {
      try Data(batch.records).write(
        to: URL(fileURLWithPath: "\(folder.path)/batches/\(name).bin"))
    }
    let unpacked = try folder.store.convert(
      CIFAR10(), from: [folder.path + "/batches"], name: "image3",
      options: Small.options(3, 7))
    digests.insert(unpacked.generation.contentDigest)
    #expect(digests.count == 1)
  }

  @Test("an array in Fortran order is turned")
  func fortran() throws {
    let batch = TestBatch(3, number: 1)
    var turned = batch
    for row in 0..<3 {
      for column in 0..<3072 { turned.data[column * 3 + row] = batch.data[row * 3072 + column] }
    }
    let folder = try TemporaryFolder()
    let fortran = try archive(folder, "fortran") { batch in
      var turned = batch
      for row in 0..<20 {
        for column in 0..<3072 { turned.data[column * 20 + row] = batch.data[row * 3072 + column] }
      }
      return turned.pickle(isFortran: true)
    }
    let one = try folder.store.convert(CIFAR10(), from: [binary(folder)])
    let other = try folder.store.convert(CIFAR10(), from: [fortran], name: "other")
    #expect(one.generation.contentDigest == other.generation.contentDigest)
  }

  @Test("with colours red, green and blue stand behind the grey levels, checked and verified")
  func colours() throws {
    let folder = try TemporaryFolder()
    var images = CIFAR10()
    images.color = true
    images.validation = 4
    let result = try folder.store.convert(images, from: [binary(folder)])
    #expect(result.generation.splits.map(\.count) == [96, 4, 20])
    #expect(result.generation.tokens == 120 * 1024)
    let test = try folder.store.open(dataset: "image", split: "test")
    let batch = TestBatch(20, number: 0)
    #expect(test.lengths.allSatisfy { $0 == 1024 })
    #expect(test.hasMasks == false)
    try test.withParts(at: 7) { parts in
      #expect(parts.map(\.count) == [1024, 3072])
      #expect(Array(parts[1]) == Array(batch.data[(7 * 3072)...].prefix(3072)))
      #expect(
        parts[0][5]
          == GreyLevels.level(red: parts[1][5], green: parts[1][1029], blue: parts[1][2053]))
    }
    #expect(try test.withSymbols(at: 7) { $0.count } == 1024)
    #expect(try folder.store.verify().foundDamage == false)
    // A flipped colour is found by check64: it covers grey levels, then colours.
    try ReaderTests.flip(folder.path + "/data/image/test-00000.npy", at: 128 + 7 * 4096 + 2000)
    let error = Small.error {
      try folder.store.open(dataset: "image", split: "test").withSymbols(at: 7) { $0.count }
    }
    #expect(error?.code == .checksumMismatch)
    let report = try folder.store.verify()
    #expect(report.datasets[0].damaged.map(\.position) == [7])
  }

  @Test("the same command has nothing to do; another validation differs")
  func again() throws {
    let folder = try TemporaryFolder()
    let path = try binary(folder)
    _ = try folder.store.convert(CIFAR10(), from: [path])
    #expect(try folder.store.convert(CIFAR10(), from: [path]).generation.state == .complete)
    var other = CIFAR10()
    other.validation = 20
    let error = Small.error { try folder.store.convert(other, from: [path]) }
    #expect(error?.code == .configurationDiffers)
    other.validation = 101
    #expect(Small.error { try folder.store.convert(other, from: [path]) }?.code == .usage)
  }

  @Test("a label above 9, a cut record, a missing or double batch are refused with their place")
  func malformed() throws {
    let folder = try TemporaryFolder()
    func error(_ change: (inout [(name: String, bytes: [UInt8])]) -> Void) throws -> DatasetError? {
      var files = TestBatch.all().map { (name: $0.name + ".bin", bytes: $0.batch.records) }
      change(&files)
      var archive = TestArchive()
      for (name, bytes) in files { archive.add("cifar/\(name)", bytes) }
      try archive.write(folder.path + "/a.tar")
      return Small.error { try folder.store.convert(CIFAR10(), from: [folder.path + "/a.tar"]) }
    }
    let path = folder.path + "/a.tar"
    let label = try error { $0[1].bytes[3073 * 4] = 10 }
    #expect(
      label?.message == "\(path): cifar/data_batch_2.bin: byte 12 292: label 10; 0...9 allowed")
    #expect(label?.position == 12_292)
    let cut = try error { $0[0].bytes.removeLast() }
    #expect(cut?.message.hasSuffix("a record of 3 072 bytes, 3 073 expected") == true)
    let missing = try error { $0.remove(at: 3) }
    #expect(missing?.message == "\(path) holds no data_batch_5")
    let double = try error { $0.append(("data_batch_1", $0[0].bytes)) }
    #expect(double?.message == "\(path): cifar/data_batch_1: batch 1 is there twice")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.tar"])
  }
}
