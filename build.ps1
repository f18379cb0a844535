#!/usr/bin/env pwsh
# Builds, tests and runs SgLang: the same verbs as build.sh, which `./build.ps1 help` lists.
# No param block: arguments such as --port belong to the verb, not to PowerShell.
$ErrorActionPreference = 'Stop'
# A program's exit code is passed on, not turned into an error record.
$PSNativeCommandUseErrorActionPreference = $false
Set-Location $PSScriptRoot
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$env:DOTNET_NOLOGO = '1'
if (-not $env:CMAKE_GENERATOR -and (Get-Command ninja -ErrorAction SilentlyContinue)) { $env:CMAKE_GENERATOR = 'Ninja' }

$usage = @'
usage: ./build.ps1 [verb] [arguments]
  build      native library and managed code; leaves out/bin/sglang (the default)
  serve      build, then `sglang launch-server` with the arguments given
  test       build and run every test, native and managed
  bench      build, then run native/bench; arguments pick programs, e.g. linear_bench
  publish    NativeAOT: leaves out/publish/sglang, which needs no .NET
  bindings   write the C# bindings from native/include/sgl (`bindings --verify` only compares)
  gpu-test   build and test on a machine with an NVIDIA GPU (tests/gpu/run.sh)
'@

# What each Debian package brings: commands on the path or paths of files, of which one is enough.
$brings = @{
    'bash' = @('bash')
    'clang' = @('clang', 'clang-19', 'clang-18', 'clang-17', 'clang-16', 'clang-15', 'clang-14') # the names that bindings-gen looks for
    'cmake' = @('cmake')
    'curl' = @('curl')
    'g++' = @('g++')
    'libgtest-dev' = @('/usr/include/gtest/gtest.h', '/usr/local/include/gtest/gtest.h')
    'zlib1g-dev' = @('/usr/include/zlib.h', '/usr/local/include/zlib.h')
}
function Test-Package([string]$Package) {
    foreach ($candidate in $brings[$Package]) {
        if ($candidate.StartsWith('/') ? (Test-Path $candidate) : (Get-Command $candidate -CommandType Application -ErrorAction SilentlyContinue)) { return $true }
    }
    return $false
}
# Names all that is missing at once.
function Assert-Present([string[]]$Packages, [switch]$DotNet) {
    $complaints = @()
    $missing = @($Packages | Where-Object { -not (Test-Package $_) })
    if ($missing.Count) { $complaints += "missing on this machine; on Debian: apt-get install $($missing -join ' ')" }
    if ($DotNet -and -not ((Get-Command dotnet -CommandType Application -ErrorAction SilentlyContinue) -and (dotnet --list-sdks | Select-String '^1[0-9]\.'))) {
        $complaints += "the .NET 10 SDK (or newer) is missing; see https://dot.net (package dotnet-sdk-10.0 of Microsoft's Debian repository)"
    }
    if (-not $complaints.Count) { return }
    foreach ($complaint in $complaints) { [Console]::Error.WriteLine("build.ps1: $complaint") }
    exit 2
}
function Invoke-Step([string]$Program, [object[]]$Arguments) {
    & $Program @Arguments | Out-Host
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}
function Build-Native([string]$Bench) {
    Invoke-Step cmake @('--preset', 'release', '-DSGL_BUILD_TESTS=OFF', "-DSGL_BUILD_BENCH=$Bench")
    Invoke-Step cmake @('--build', '--preset', 'release', '--parallel', [Environment]::ProcessorCount)
}
function Build-All {
    Assert-Present 'g++', 'cmake' -DotNet
    Build-Native OFF
    Invoke-Step dotnet @('publish', 'managed/SgLang.Cli', '-c', 'Release', '-o', 'out/bin', '--nologo', '-v', 'quiet')
}

$verb, $rest = $args
$rest = @($rest | Where-Object { $null -ne $_ })
switch ($verb ?? 'build') {
    'build' { Build-All }
    'serve' {
        Build-All
        & out/bin/sglang launch-server @rest
        exit $LASTEXITCODE
    }
    'test' {
        Assert-Present 'g++', 'cmake', 'libgtest-dev', 'clang', 'zlib1g-dev', 'curl', 'bash' -DotNet
        & bash tests/run.sh @rest
        exit $LASTEXITCODE
    }
    'bench' {
        Assert-Present 'g++', 'cmake'
        Build-Native ON
        $benches = @(Get-ChildItem out/native/release/bin -Filter '*_bench' | Sort-Object Name)
        foreach ($name in $rest) {
            if ($benches.Name -notcontains $name) {
                [Console]::Error.WriteLine("build.ps1: no bench '$name'; one of: $($benches.Name -join ' ')")
                exit 2
            }
        }
        foreach ($bench in $benches) {
            if ($rest.Count -and $rest -notcontains $bench.Name) { continue }
            Write-Host "== $($bench.Name)"
            Invoke-Step $bench.FullName @()
        }
    }
    'publish' {
        Assert-Present 'g++', 'cmake', 'zlib1g-dev' -DotNet
        Build-Native OFF
        Invoke-Step dotnet @('publish', 'managed/SgLang.Cli', '-c', 'Release', '-r', 'linux-x64', '-p:PublishAot=true', '-o', 'out/publish', '--nologo', '-v', 'quiet')
        New-Item -ItemType Directory -Force out/publish/models | Out-Null
        Copy-Item -Recurse -Force models/demo out/publish/models/
    }
    'bindings' {
        Assert-Present 'clang' -DotNet
        & dotnet run --project bindings-gen/SgLang.BindingsGen -c Release -- --root $PSScriptRoot @rest
        exit $LASTEXITCODE
    }
    'gpu-test' {
        Assert-Present (@('g++', 'cmake', 'bash') + ($env:GTEST_PREFIX ? @() : @('libgtest-dev')))
        & bash tests/gpu/run.sh @rest
        exit $LASTEXITCODE
    }
    { $_ -in 'help', '-h', '--help' } { Write-Host $usage }
    default {
        [Console]::Error.WriteLine("build.ps1: unknown verb '$verb'")
        [Console]::Error.WriteLine($usage)
        exit 2
    }
}
