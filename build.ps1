#!/usr/bin/env pwsh
# The same verbs as build.sh: build (default), serve, test, bench, publish, bindings, gpu-test.
param([string]$Verb = 'build', [Parameter(ValueFromRemainingArguments)][string[]]$Rest = @())
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location $PSScriptRoot

function Need([string[]]$Commands) {
    $missing = $Commands | Where-Object { -not (Get-Command $_ -ErrorAction SilentlyContinue) }
    if ($missing) { Write-Error "build.ps1: missing on this machine: $($missing -join ', ')"; exit 2 }
}
function Build-Native([string]$Preset, [string[]]$Entries) {
    if (Get-Command ninja -ErrorAction SilentlyContinue) { $env:CMAKE_GENERATOR = 'Ninja' }
    cmake --preset $Preset @Entries
    cmake --build --preset $Preset --parallel
}
function Build-All {
    Need @('dotnet', 'cmake')
    Build-Native release @('-DSGL_BUILD_TESTS=OFF', '-DSGL_BUILD_BENCH=OFF')
    dotnet publish managed/SgLang.Cli -c Release -o out/bin --nologo -v quiet
}

switch ($Verb) {
    'build' { Build-All }
    'serve' { Build-All; & out/bin/sglang launch-server @Rest; exit $LASTEXITCODE }
    'test' { Need @('bash', 'dotnet', 'cmake'); bash tests/run.sh @Rest; exit $LASTEXITCODE }
    'bench' {
        Need @('cmake')
        Build-Native release @('-DSGL_BUILD_TESTS=OFF', '-DSGL_BUILD_BENCH=ON')
        foreach ($bench in Get-ChildItem out/native/release/bin -Filter '*_bench*') {
            if (-not $Rest -or $Rest -contains $bench.BaseName) { Write-Host "== $($bench.BaseName)"; & $bench.FullName }
        }
    }
    'publish' {
        Need @('dotnet', 'cmake')
        Build-Native release @('-DSGL_BUILD_TESTS=OFF', '-DSGL_BUILD_BENCH=OFF')
        dotnet publish managed/SgLang.Cli -c Release -r linux-x64 -p:PublishAot=true -o out/publish --nologo -v quiet
        New-Item -ItemType Directory -Force out/publish/models | Out-Null
        Copy-Item -Recurse -Force models/demo out/publish/models/
    }
    'bindings' { Need @('dotnet'); dotnet run --project bindings-gen/SgLang.BindingsGen -c Release -- --root $PSScriptRoot @Rest }
    'gpu-test' { Need @('bash'); bash tests/gpu/run.sh @Rest; exit $LASTEXITCODE }
    default { Write-Error "build.ps1: unknown verb '$Verb'; one of build, serve, test, bench, publish, bindings, gpu-test"; exit 2 }
}
