import Tensors

/// Image Transformer: blocks of pixels attend to themselves and to a flange around them.
///
/// Query blocks of h x w pixels; keys are the block and the flange, in `2d` f rows and columns around it
/// (above, left and right in the causal form), in `1d` f pixels before it (and behind). Time is
/// O(L·(block + flange)·D), memory O(L·(block + flange)). The causal order is the raster over blocks, then
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
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// `1d` or `2d`.
    public var form = Form.twoDimensional
    /// Rows of a query block, at least 1; not used in `1d`.
    public var blockHeight = 8
    /// Columns of a query block, or pixels in `1d`, at least 1.
    public var blockWidth = 8
    /// Rows or pixels of the flange before a block (and behind it, unless causal), at least 0.
    public var flangeHeight = 4
    /// Columns of the flange on both sides, at least 0; not used in `1d`.
    public var flangeWidth = 4

    enum CodingKeys: String, CodingKey {
      case form
      case blockHeight = "block_height"
      case blockWidth = "block_width"
      case flangeHeight = "flange_height"
      case flangeWidth = "flange_width"
    }
  }

  /// How an image is cut.
  public enum Form: String, Codable, Sendable {
    case oneDimensional = "1d"
    case twoDimensional = "2d"
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "image_transformer", summary: "blocks of pixels with a flange", time: "L (b+f) d",
    memory: "L (b+f)", directions: [.bidirectional, .causal], paper: "1802.05751")
  /// Blocks of 8 x 8 with a flange of 4.
  public static let defaults = Configuration()

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
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let attended = try attend(q, k, v, context, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let (b, h, length) = (q.size(0), q.size(1), q.size(2))
    let (n, rows, columns) = (layout.queries.count, layout.size, layout.keyCount)
    let picked = { (x: Tensor, lists: [[Int]]) in
      let flat = lists.joined().map { Int64(max(0, $0)) }
      return try x.padded(after: layout.area - length, 2)
        .picked(.from(flat, [flat.count]).to(q.device), 2)
        .reshaped([b, h, n, lists[0].count, x.size(3)])
    }
    let missing = layout.keys.joined().map { $0 < 0 }
    var blocked = try Tensor.from(missing, [n, 1, columns]).to(q.device)
    if let padding = try context.blockedKeys(upTo: layout.area) {
      let flat = layout.keys.joined().map { Int64(max(0, $0)) }
      blocked = try blocked.or(
        padding.picked(.from(flat, [flat.count]).to(q.device), 1)
          .reshaped([padding.size(0), 1, n, 1, columns]))
    }
    if layout.causal {
      let later = (0..<(n * rows * columns)).map { index in
        let (block, place) = (index / (rows * columns), index % (rows * columns))
        let (query, key) = (
          layout.queries[block][place / columns], layout.keys[block][place % columns]
        )
        return key >= 0 && query >= 0 && layout.order[key] > layout.order[query]
      }
      blocked = try blocked.or(.from(later, [n, rows, columns]).to(q.device))
    }
    let source = try KeySource(
      picked(q, layout.queries), picked(k, layout.keys), picked(v, layout.keys),
      scale: heads.scale, blocked: blocked)
    let out = try context.attended([source], dropout: dropoutRate, layer: layer)
      .reshaped([b, h, n * rows, v.size(3)])
    let back = layout.places.prefix(length).map(Int64.init)
    return try out.picked(.from(Array(back), [length]).to(q.device), 2)  // [B, H, L, E]
  }

  /// Which pixels are in which block, and which keys a block sees; -1 for none.
  struct Layout {
    /// Pixels of the image.
    let area: Int
    /// Pixels of a block.
    let size: Int
    /// Query pixels of each block.
    private(set) var queries: [[Int]] = []
    /// Key pixels of each block.
    private(set) var keys: [[Int]] = []
    /// A pixel's place in the causal order.
    private(set) var order: [Int]
    /// A pixel's row among all blocks' queries.
    private(set) var places: [Int]
    let causal: Bool
    /// Keys of a block.
    var keyCount: Int { keys[0].count }

    init(_ configuration: Configuration, height: Int, width: Int, causal: Bool) {
      let flat = configuration.form == .oneDimensional
      let blockHeight = flat ? 1 : min(configuration.blockHeight, height)
      let blockWidth = min(configuration.blockWidth, width)
      let above = flat ? 0 : configuration.flangeHeight
      let left = flat ? configuration.flangeHeight : configuration.flangeWidth
      let below = causal ? 0 : above
      let right = flat && causal ? 0 : left
      area = height * width
      size = blockHeight * blockWidth
      order = Array(repeating: 0, count: area)
      places = order
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
            places[pixel] = queries.count * size + place
            order[pixel] = places[pixel]
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
