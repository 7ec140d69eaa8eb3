import Foundation
import Testing
import ToolRunner

/// Files as NumPy and Python themselves write them.
@Suite("files of NumPy and Python")
struct ConvertedFilesTests {
  @Test("arrays that numpy.save and numpy.savez wrote are read; pickled ones are refused")
  func arrays() throws {
    let folder = try TemporaryFolder()
    let made = try Program.python(
      """
      import numpy as np
      t = np.arange(60).reshape(20, 3) % 7 + 1
      y = np.arange(20) % 3
      np.save('tokens.npy', t)
      np.save('labels.npy', y.astype('>i2'))
      np.savez_compressed('both.npz', tokens=t, labels=y)
      np.save('objects.npy', np.array([{}, 1], dtype=object), allow_pickle=True)
      np.save('fortran.npy', np.asfortranarray(t))
      """, in: folder.path)
    #expect(made.exit == 0, "\(made.error)")
    let one = try folder.data(
      "convert", "npy", "--from", "tokens.npy", "--from", "labels.npy", "--json")
    #expect(one.exit == 0)
    let other = try folder.data("convert", "npy", "--from", "both.npz", "--name", "b", "--json")
    #expect(other.exit == 0)
    let digest = /"content_digest":"([0-9a-f]{64})"/
    let first = try #require(one.output.firstMatch(of: digest))
    let second = try #require(other.output.firstMatch(of: digest))
    #expect(first.1 == second.1)
    for name in ["objects", "fortran"] {
      let refused = try folder.data(
        "convert", "npy", "--from", "\(name).npy", "--from", "labels.npy", "--name", name)
      #expect(refused.exit == 65)
    }
  }

  @Test("batches that Python's pickle wrote give the content of the binary archive")
  func pickles() throws {
    let folder = try TemporaryFolder()
    let made = try Program.python(
      """
      import numpy as np, pickle, os
      for folder in ['py', 'bin', 'py3']: os.mkdir(folder)
      for number, name in enumerate(['data_batch_%d' % n for n in range(1, 6)] + ['test_batch']):
        data = np.random.default_rng(number).integers(0, 256, (10, 3072)).astype(np.uint8)
        labels = [(n * 3 + number) % 10 for n in range(10)]
        batch = {b'batch_label': b'x', b'labels': labels, b'data': data, b'filenames': [b'a.png'] * 10}
        with open('py/' + name, 'wb') as file: pickle.dump(batch, file, protocol=2)
        with open('py3/' + name, 'wb') as file: pickle.dump(batch, file, protocol=3)
        with open('bin/' + name + '.bin', 'wb') as file:
          for label, row in zip(labels, data): file.write(bytes([label]) + row.tobytes())
      """, in: folder.path)
    #expect(made.exit == 0, "\(made.error)")
    var digests: Set<Substring> = []
    for source in ["py", "bin", "py3"] {
      let result = try folder.data(
        "convert", "cifar10", "--from", source, "--name", source, "--json")
      #expect(result.exit == 0, "\(result.error)")
      let match = try #require(
        result.output.firstMatch(of: /"content_digest":"([0-9a-f]{64})"/))
      digests.insert(match.1)
    }
    #expect(digests.count == 1)
  }
}
