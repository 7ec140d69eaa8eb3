import Tensors

/// Image Transformer: blocks of pixels attend to themselves and to a flange around them.
///
/// Query blocks of h x w pixels; keys are the block and the flange, in `2d` f rows and columns around it
/// (above, left and right in the causal form), in `1d` f pixels before it (and behind). Time is
/// O(L·(block + flange)·D), memory O(L·D). The causal order is the raster over blocks, then
/// within a block: what is earlier in it may be attended. The image is the smallest square that
/// holds the longest length. Positions without a token are not attended.
///
/// Parmar and others 2018, arXiv 1802.05751, section 3.3; sizes as in tensor2tensor, smaller for 32 x 32.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct ImageTransformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var form = Form.twoDimensional
    var blockHeight = 8
    var blockWidth = 8
    var flangeHeight = 4
    var flangeWidth = 4

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("form", \.form, "`1d` or `2d`."),
      .init("block_height", \.blockHeight, "Rows of a query block, at least 1; not used in `1d`."),
      .init(
        "block_width", \.blockWidth,
        "Columns of a query block, or pixels in `1d`, at least 1."),
      .init(
        "flange_height", \.flangeHeight,
        "Rows or pixels of the flange before a block (and behind it, unless causal), at least 0."),
      .init(
        "flange_width", \.flangeWidth,
        "Columns of the flange on both sides, at least 0; not used in `1d`."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// How an image is cut.
  public enum Form: String, CaseIterable, Sendable {
    case oneDimensional = "1d"
    case twoDimensional = "2d"
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "image_transformer", summary: "blocks of pixels with a flange", time: "L (b+f) d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "1802.05751")

  let heads: Heads
  let layout: Layout
  let dropoutRate: Double

  /// Four projections and the layout.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard
      configuration.blockHeight >= 1 && configuration.blockWidth >= 1
        && configuration.flangeHeight >= 0 && configuration.flangeWidth >= 0
    else {
      throw AttentionError.badValue(
        Self.mechanism.name, "blocks are at least 1, flanges at least 0")
    }
    heads = try Heads(model, key: key)
    let side = Int(Double(model.positions).squareRoot().rounded(.up))
    layout = Layout(
      configuration, height: configuration.form == .oneDimensional ? 1 : side,
      width: configuration.form == .oneDimensional ? model.positions : side, causal: model.causal)
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    try heads.merged(attend(heads.packed(x, narrow: true), context, layer: layer))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, L, 3, H, E] to [B, L, H, E].
  func attend(_ qkv: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let length = qkv.size(1)
    let plan = try context.plan(
      "\(Self.mechanism.name) \(layout.causal) \(layout.queries.count) \(layout.keys[0].count) \(length)"
    ) {
      groups, shown in
      for (queries, keys) in zip(layout.queries, layout.keys) {
        let own = queries.filter { $0 >= 0 && $0 < length }
        let seen = keys.map { $0 >= 0 && $0 < length ? shown($0) : -1 }
        if layout.causal {
          groups.add(
            queries: own, keys: seen, bounds: { 0...layout.order[$0] },
            code: { $1 < 0 ? 0 : layout.order[$1] })
        } else {
          groups.add(queries: own, keys: seen)
        }
      }
    }
    return try context.attended(
      qkv, by: plan, scale: heads.scale, dropout: dropoutRate, layer: layer)
  }

  /// Which pixels are in which block, and which keys a block sees; -1 for none.
  struct Layout {
    /// Query pixels of each block.
    private(set) var queries: [[Int]] = []
    /// Key pixels of each block.
    private(set) var keys: [[Int]] = []
    /// A pixel's place in the causal order.
    private(set) var order: [Int]
    let causal: Bool

    init(_ configuration: Configuration, height: Int, width: Int, causal: Bool) {
      let flat = configuration.form == .oneDimensional
      let blockHeight = flat ? 1 : min(configuration.blockHeight, height)
      let blockWidth = min(configuration.blockWidth, width)
      let above = flat ? 0 : configuration.flangeHeight
      let left = flat ? configuration.flangeHeight : configuration.flangeWidth
      let below = causal ? 0 : above
      let right = flat && causal ? 0 : left
      let size = blockHeight * blockWidth
      order = Array(repeating: 0, count: height * width)
      self.causal = causal
      func pixel(_ row: Int, _ column: Int) -> Int {
        (0..<height).contains(row) && (0..<width).contains(column) ? row * width + column : -1
      }
      for top in stride(from: 0, to: height, by: blockHeight) {
        for start in stride(from: 0, to: width, by: blockWidth) {
          let rows = top..<(top + blockHeight)
          let columns = start..<(start + blockWidth)
          let own = rows.flatMap { row in columns.map { pixel(row, $0) } }
          for (place, pixel) in own.enumerated() where pixel >= 0 {
            order[pixel] = queries.count * size + place
          }
          queries.append(own)
          keys.append(
            ((top - above)..<(rows.upperBound + below)).flatMap { row in
              ((start - left)..<(columns.upperBound + right)).map { pixel(row, $0) }
            })
        }
      }
    }
  }
}
