/// Draws scenes.
///
/// A pixel is the maximum of the dashes' and markers' intensities, stretched so that the brightest pixel of
/// the image becomes 255. Intensities are levels of few kinds of ink, so each kind has its plane of levels
/// and a table of grey values per image. For one thread at a time.
final class PathfinderPainter {
  private let configuration: PathfinderConfiguration
  private let tables: PathfinderTables
  private let size: Int
  /// By margin: targets, distractors, markers.
  private let planes: [[Plane]]
  private var brightest = 0.0
  /// By kind of ink: the grey value of a level.
  private var greys = [[UInt8]](repeating: [UInt8](repeating: 0, count: 256), count: 3)
  private let contrasts: [Double]

  /// Levels in the layout of the maps, whose border takes what reaches over the image's edge.
  private final class Plane {
    let layout: MapLayout
    let bytes: UnsafeMutableRawPointer

    init(_ layout: MapLayout) {
      self.layout = layout
      bytes = .allocate(byteCount: layout.bytes, alignment: 16)
      clear()
    }

    deinit { bytes.deallocate() }

    func clear() { bytes.initializeMemory(as: UInt8.self, repeating: 0, count: layout.bytes) }

    func row(_ y: Int) -> UnsafePointer<UInt8> {
      UnsafePointer((bytes + layout.place(y, 0)).assumingMemoryBound(to: UInt8.self))
    }

    /// The greatest level inside the image.
    func maximum() -> UInt8 {
      var greatest = SIMD16<UInt8>(repeating: 0)
      for y in 0..<layout.size {
        let row = UnsafeRawPointer(row(y))
        for x in stride(from: 0, to: layout.size, by: 16) {
          let levels = row.loadUnaligned(fromByteOffset: x, as: SIMD16<UInt8>.self)
          greatest = greatest.replacing(with: levels, where: greatest .< levels)
        }
      }
      return greatest.max()
    }
  }

  init(_ configuration: PathfinderConfiguration, _ tables: PathfinderTables) {
    self.configuration = configuration
    self.tables = tables
    size = configuration.size
    planes = tables.margins.map { margin in (0..<3).map { _ in Plane(margin.layout) } }
    contrasts = [tables.geometry.targetContrast, tables.geometry.distractorContrast, 1]
  }

  /// Draws the image.
  ///
  /// - Parameter pixels: size * size grey values, row by row.
  func draw(_ scene: PathfinderScene, into pixels: UnsafeMutablePointer<UInt8>) {
    let planes = planes[scene.marginIndex]
    for plane in planes { plane.clear() }
    let lines = tables.margins[scene.marginIndex].lines
    for dash in scene.targets[0] { put(dash, lines, planes[0]) }
    for dash in scene.targets[1] { put(dash, lines, planes[0]) }
    for dash in scene.distractors { put(dash, lines, planes[1]) }
    drawMarkers(scene, planes[2])
    setGreys(planes.map { $0.maximum() })
    greys[0].withUnsafeBufferPointer { targets in
      greys[1].withUnsafeBufferPointer { distractors in
        greys[2].withUnsafeBufferPointer { markers in
          for y in 0..<size {
            let (one, two, three) = (planes[0].row(y), planes[1].row(y), planes[2].row(y))
            let row = pixels + y * size
            for x in 0..<size {
              let ink = max(targets[Int(one[x])], distractors[Int(two[x])])
              row[x] = max(ink, markers[Int(three[x])])
            }
          }
        }
      }
    }
  }

  /// Draws the mask of the segmentation task: the marked target with the markers, 0 or 255.
  func drawMask(_ scene: PathfinderScene, into pixels: UnsafeMutablePointer<UInt8>) {
    let planes = planes[scene.marginIndex]
    planes[0].clear()
    planes[2].clear()
    let lines = tables.margins[scene.marginIndex].lines
    for dash in scene.targets[scene.marked] { put(dash, lines, planes[0]) }
    drawMarkers(scene, planes[2])
    for y in 0..<size {
      let (ink, marker) = (planes[0].row(y), planes[2].row(y))
      for x in 0..<size {
        let isSet = intensity(ink[x], 0) > 0.5 || intensity(marker[x], 2) > 0.5
        pixels[y * size + x] = isSet ? 255 : 0
      }
    }
  }

  @inline(__always)
  private func put(_ dash: OccupancyMaps.Dash, _ lines: SpritePlane, _ plane: Plane) {
    lines.merge(dash.sprite, into: plane.bytes + dash.place, stride: plane.layout.stride)
  }

  private func drawMarkers(_ scene: PathfinderScene, _ plane: Plane) {
    let both = configuration.segmentation != .single
    let side = tables.markers.side
    let halfSide = tables.markers.halfSide
    for (y, x) in both ? [scene.origin, scene.terminal] : [scene.origin] {
      let sprite = tables.markers.sprite(y: y, x: x)
      for row in max(0, halfSide - y)..<min(side, size - y + halfSide) {
        for column in max(0, halfSide - x)..<min(side, size - x + halfSide) {
          let level = sprite[row * side + column]
          guard level > 0 else { continue }
          let place = plane.layout.place(y - halfSide + row, x - halfSide + column)
          let old = plane.bytes.load(fromByteOffset: place, as: UInt8.self)
          plane.bytes.storeBytes(of: max(old, level), toByteOffset: place, as: UInt8.self)
        }
      }
    }
  }

  private func intensity(_ level: UInt8, _ kind: Int) -> Double {
    Double(level) / 255 * contrasts[kind]
  }

  /// Stretches intensities from 0 to the brightest over 0...255.
  private func setGreys(_ levels: [UInt8]) {
    let brightest = levels.indices.map { intensity(levels[$0], $0) }.max() ?? 0
    guard brightest != self.brightest, brightest > 0 else { return }
    self.brightest = brightest
    let scale = 255 / brightest
    for kind in 0..<3 {
      for level in 0...255 {
        let grey = intensity(UInt8(level), kind) * scale + 0.5
        greys[kind][level] = UInt8(min(grey.rounded(.down), 255))
      }
    }
  }
}
