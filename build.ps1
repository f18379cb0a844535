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

function Stop-Build([string]$Message, [int]$Code = 2) {
    [Console]::Error.WriteLine("build.ps1: $Message")
    exit $Code
}
# Each need is a command, or the path of a file, and the Debian package that has it; one message names all that is missing.
function Assert-Present([hashtable]$Needs) {
    $missing = $Needs.Keys | Where-Object { -not ((Get-Command $_ -ErrorAction SilentlyContinue) -or (Test-Path $_)) } | ForEach-Object { $Needs[$_] } | Sort-Object
    if ($missing) { Stop-Build "missing on this machine; on Debian: apt-get install $($missing -join ' ')" }
}
function Assert-DotNet {
    if (-not (Get-Command dotnet -ErrorAction SilentlyContinue) -or -not (dotnet --list-sdks | Select-String '^1[0-9]\.')) {
        Stop-Build "the .NET 10 SDK (or newer) is missing; see https://dot.net (package dotnet-sdk-10.0 of Microsoft's Debian repository)"
    }
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
    Assert-Present @{ 'g++' = 'g++'; 'cmake' = 'cmake' }
    Assert-DotNet
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
        Assert-Present @{
            'g++' = 'g++'; 'cmake' = 'cmake'; 'bash' = 'bash'; 'clang*' = 'clang'
            '/usr/include/gtest/gtest.h' = 'libgtest-dev'; '/usr/include/zlib.h' = 'zlib1g-dev'
        }
        Assert-DotNet
        & bash tests/run.sh @rest
        exit $LASTEXITCODE
    }
    'bench' {
        Assert-Present @{ 'g++' = 'g++'; 'cmake' = 'cmake' }
        Build-Native ON
        foreach ($bench in Get-ChildItem out/native/release/bin -Filter '*_bench' | Sort-Object Name) {
            if ($rest.Count -and $rest -notcontains $bench.Name) { continue }
            Write-Host "== $($bench.Name)"
            Invoke-Step $bench.FullName @()
        }
    }
    'publish' {
        Assert-Present @{ 'g++' = 'g++'; 'cmake' = 'cmake'; '/usr/include/zlib.h' = 'zlib1g-dev' }
        Assert-DotNet
        Build-Native OFF
        Invoke-Step dotnet @('publish', 'managed/SgLang.Cli', '-c', 'Release', '-r', 'linux-x64', '-p:PublishAot=true', '-o', 'out/publish', '--nologo', '-v', 'quiet')
        New-Item -ItemType Directory -Force out/publish/models | Out-Null
        Copy-Item -Recurse -Force models/demo out/publish/models/
    }
    'bindings' {
        Assert-DotNet
        & dotnet run --project bindings-gen/SgLang.BindingsGen -c Release -- --root $PSScriptRoot @rest
        exit $LASTEXITCODE
    }
    'gpu-test' {
        Assert-Present @{ 'bash' = 'bash' }
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
