import Datasets
import Foundation
import Tokenizers

/// What the data is: sizes, digests, lengths, a few examples.
struct DataSection {
  let data: ReportData

  /// A part per dataset.
  var markup: Markup {
    data.datasets.isEmpty
      ? "<p>The database holds no dataset.</p>" : data.datasets.map(part).joined()
  }

  private func part(_ dataset: DatasetListing) -> Markup {
    let summary = dataset.summary
    let store = DatasetStore(at: data.database)
    let sizes: String = summary.splits.map { "\($0.name) \($0.count.grouped)" }.joined(
      separator: ", ")
    let first = summary.splits.first { $0.name == "train" } ?? summary.splits.first
    let reader = first.flatMap { try? store.open(dataset: summary.name, split: $0.name) }
    return """
      <section><h3>\(summary.name)</h3>
      <p>\(sizes) · seed \(summary.seed.map(String.init) ?? "none") · \(dataset.bytes.byteText)<br>\
      content digest <code class="digest">\(summary.contentDigest ?? "")</code></p>
      \(reader.map(examples) ?? "")</section>

      """
  }

  private func examples(_ reader: SplitReader) -> Markup {
    guard reader.count > 0 else { return .none }
    if reader.symbols.imageSize != nil { return images(reader) }
    return "<div class=\"figures\">\(histogram(reader))</div>\n\(samples(reader))"
  }

  /// A contact sheet, as part of the page.
  private func images(_ reader: SplitReader) -> Markup {
    let count = min(reader.count, reader.symbols.imageSize ?? 0 > 64 ? 8 : 20)
    guard let sheet = try? ContactSheet(reader, positions: 0..<count),
      let bytes = try? sheet.png()
    else { return "<p>The images cannot be read: run lra-data verify.</p>" }
    let label = "The first \(count) images of \(reader.dataset) \(reader.split), labels above"
    return """
      <figure><img alt="\(label)" src="data:image/png;base64,\(Data(bytes).base64EncodedString())">\
      <figcaption>\(label).</figcaption></figure>
      """
  }

  private func histogram(_ reader: SplitReader) -> Markup {
    let lengths = reader.lengths.map { Int($0) }
    let (least, most) = (lengths.min() ?? 0, lengths.max() ?? 0)
    let bins = min(40, most - least + 1)
    var counts = [Int](repeating: 0, count: bins)
    for length in lengths { counts[(length - least) * bins / (most - least + 1)] += 1 }
    let x = Axis([Double(least), Double(most)]) { Int($0).grouped }
    let y = Axis(counts.map(Double.init), fromZero: true) { Int($0).grouped }
    let title = "Lengths of \(reader.dataset) \(reader.split)"
    var plot = Plot(
      title, x: x, y: y, xLabel: "length in tokens", yLabel: "examples")
    plot.bars = counts.enumerated().map { index, count in
      let from = least + index * (most - least + 1) / bins
      let through = least + (index + 1) * (most - least + 1) / bins
      return (Double(from), Double(through), Double(count))
    }
    let mean = Double(lengths.reduce(0, +)) / Double(lengths.count)
    return figure(
      plot, "\(title): \(least.grouped) to \(most.grouped) tokens, mean \(mean.fixed(0)).")
  }

  private func samples(_ reader: SplitReader) -> Markup {
    let list = (0..<min(3, reader.count)).map { position -> Markup in
      let label = reader.labels[position] < 0 ? "no label" : "label \(reader.labels[position])"
      let parts = (try? texts(reader, position)) ?? ["cannot be read: run lra-data verify"]
      let texts = parts.map { "<pre>\($0)</pre>" as Markup }
      let length = Int(reader.lengths[position]).grouped
      return """
        <p>\(reader.split)/\(position) · \(length) tokens · \(label)</p>\(texts)

        """
    }
    return list.joined()
  }

  /// The beginning of an example, or of both documents of a pair.
  private func texts(_ reader: SplitReader, _ position: Int) throws -> [String] {
    try reader.withParts(at: position) { parts in
      parts.map { symbols in
        let shown = symbols.prefix(reader.symbols == .listOps ? 160 : 400)
        let rest = symbols.count > shown.count ? " …" : ""
        switch reader.symbols {
        case .listOps: return ListOpsVocabulary.text(of: shown) + rest
        case .bytes: return String(decoding: shown, as: UTF8.self) + rest
        case .numbers, .greyLevels:
          return shown.map { String(Int($0) + 1) }.joined(separator: " ") + rest
        }
      }
    }
  }
}
