// swift-tools-version: 6.1
import PackageDescription

// libtorch is found in $LIBTORCH, else where ./setup puts it. LIBTORCH=none leaves out everything that
// needs it: the data side (lra-data and its tests) builds and tests alone.
let torch = Context.environment["LIBTORCH"] ?? "\(Context.packageDirectory)/.deps/libtorch"
let withTorch = torch != "none"

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let strict: [SwiftSetting] = [.swiftLanguageMode(.v6)]

let dataTargets: [Target] = [
  .target(name: "Tokenizers", swiftSettings: strict),
  .target(
    name: "CMPFR", linkerSettings: [.linkedLibrary("mpfr"), .linkedLibrary("gmp")]),
  .target(
    name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
  .target(name: "CArchive", linkerSettings: [.linkedLibrary("archive")]),
  .target(
    name: "Datasets",
    dependencies: [
      "Tokenizers", "CMPFR", "CPNG", "CArchive",
      .product(name: "GRDB", package: "GRDB.swift"),
      .product(name: "Crypto", package: "swift-crypto"),
    ], swiftSettings: strict),
  .target(name: "Console", swiftSettings: strict),
  .executableTarget(
    name: "lra-data", dependencies: ["Datasets", "Console", argumentParser], swiftSettings: strict),
  .testTarget(name: "TokenizersTests", dependencies: ["Tokenizers"], swiftSettings: strict),
  .testTarget(name: "ConsoleTests", dependencies: ["Console"], swiftSettings: strict),
  .testTarget(
    name: "DatasetsTests",
    dependencies: ["Datasets", .product(name: "Crypto", package: "swift-crypto")],
    exclude: ["sprite-vectors.txt", "sprite_vectors.py"], swiftSettings: strict),
]

let trainTargets: [Target] = [
  .target(
    name: "CTorch",
    cxxSettings: [
      .define("USE_C10D_GLOO"), .headerSearchPath("gloo"),
      .unsafeFlags([
        "-isystem", "\(torch)/include", "-isystem", "\(torch)/include/torch/csrc/api/include",
        "-O2", "-Wall", "-Wextra",
      ]),
    ],
    linkerSettings: [
      .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
      .unsafeFlags([
        "-L\(torch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(torch)/lib",
        "-Xlinker", "--disable-new-dtags",
      ]),
    ]),
  .target(name: "Tensors", dependencies: ["CTorch"], swiftSettings: strict),
  .target(name: "Attention", dependencies: ["Tensors"], swiftSettings: strict),
  .target(
    name: "Train",
    dependencies: [
      "Attention", "Datasets", .product(name: "Yams", package: "Yams"),
      .product(name: "Crypto", package: "swift-crypto"),
    ],
    resources: ["demo", "modern", "paper", "published", "released", "skyformer", "small"].map {
      .embedInCode("Recipes/\($0).yaml")
    }
      + ["lra", "lra-efficiency", "nystromformer", "skyformer"].map {
        .embedInCode("Reproductions/\($0)-table.yaml")  // names differ from those of recipes
      }, swiftSettings: strict),
  .executableTarget(
    name: "lra-train",
    dependencies: ["Train", "Console", argumentParser], swiftSettings: strict),
  .target(name: "TileEmulator", dependencies: ["CTorch"], path: "Tests/TileEmulator"),
  .testTarget(
    name: "TensorsTests", dependencies: ["Tensors", "TileEmulator"], swiftSettings: strict),
  .testTarget(
    name: "AttentionTests", dependencies: ["Attention", "TileEmulator"], exclude: ["golden.json"],
    swiftSettings: strict),
  .testTarget(name: "TrainTests", dependencies: ["Train"], swiftSettings: strict),
]

// Our side of Benchmarks/parts.py, built only where it is asked for.
let benchmarks: [Target] =
  withTorch && Context.environment["LRA_BENCHMARKS"] != nil
  ? [
    .executableTarget(
      name: "lra-parts", dependencies: ["Train", argumentParser], path: "Benchmarks/Parts",
      swiftSettings: strict)
  ] : []

let executables: [Target.Dependency] = ["lra-data"] + (withTorch ? ["lra-train"] : [])

let excluded = [
  "EndToEndTests": ["Snapshots", "snapshots.sh", "check_page.py"],
  "FaultTests": ["faulty_calls.py", "flipped_bits.py", "write_order.py", "serve.py"],
  "InteropTests": [
    "read_index.py", "read_pairs.py", "digests.py", "listops_generator.py", "pytorch_oracle.py",
    "their_code.py",
    "read_events.py", "exports.py", "oracles",
  ],
]

// These run the built binaries, so they depend on them; ToolRunner starts programs. Each has a folder
// Training for what needs lra-train.
let binaryTests: [Target] =
  [.target(name: "ToolRunner", path: "Tests/ToolRunner", swiftSettings: strict)]
  + ["EndToEndTests", "FaultTests", "InteropTests"].map {
    .testTarget(
      name: $0,
      dependencies: executables + ["Datasets", "ToolRunner"]
        + (withTorch && $0 == "InteropTests" ? ["Tensors", "Attention", "Train"] : []),
      exclude: (excluded[$0] ?? []) + (withTorch ? [] : ["Training"]),
      swiftSettings: strict)
  }

let package = Package(
  name: "long-range-arena",
  platforms: [.macOS(.v14)],
  products: [
    .executable(name: "lra-data", targets: ["lra-data"]),
    .library(name: "Datasets", targets: ["Datasets"]),
  ]
    + (withTorch
      ? [
        .executable(name: "lra-train", targets: ["lra-train"]),
        .library(name: "Train", targets: ["Train"]),
      ] : []),
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: dataTargets + (withTorch ? trainTargets : []) + benchmarks + binaryTests,
  cxxLanguageStandard: .cxx20
)
